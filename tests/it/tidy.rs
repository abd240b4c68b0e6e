//! The layout of the sources: what is in a registry's folder is in its list, and what belongs in one place is nowhere
//! else.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below `folder`, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

/// The text of a file before its unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

fn stems(folder: &str) -> Vec<String> {
    let files = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| path.file_stem().unwrap().to_str().unwrap().replace('_', "-")).collect()
}

/// Checks that every entry has a file with its name, and that every file is an entry or one of `helpers`.
#[track_caller]
fn check_registry(folder: &str, names: &[&str], helpers: &[&str]) {
    let files = stems(folder);
    for name in names {
        assert!(files.iter().any(|file| file == name), "{folder} has no file for {name}");
    }
    for file in files.iter().filter(|file| *file != "mod" && *file != "tests") {
        let known = names.contains(&file.as_str()) || helpers.contains(&file.as_str());
        assert!(known, "{folder}/{file}.rs is not in ALL");
    }
    let mut unique = names.to_vec();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a name stands twice in {folder}");
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    assert!(names.iter().all(plain), "{folder}: names are kebab-case");
}

#[test]
fn what_is_in_a_folder_is_in_its_list() {
    let strategies: Vec<_> = crun_capture::strategy::ALL.iter().map(|one| one.name()).collect();
    let is_here = |name: &&str| root().join(format!("src/strategy/{}.rs", name.replace('-', "_"))).exists();
    let (here, below): (Vec<&str>, Vec<&str>) = strategies.into_iter().partition(is_here);
    check_registry("src/strategy", &here, &["whole", "control"]);
    check_registry("crates/reactor/src/strategy", &below, &["capability"]);
    let experiments: Vec<_> = crun_capture::experiment::ALL.iter().map(|one| one.name).collect();
    check_registry("src/experiment", &experiments, &["conditions", "failure", "program"]);
    // A file has all kinds of one stimulus, and the list has all of these.
    let stimuli: HashSet<_> = crun_capture::experiment::stimulus::ALL.iter().map(|one| one.name()).collect();
    assert_eq!(stimuli.len(), crun_capture::experiment::stimulus::ALL.len(), "a stimulus has a name of its own");
    for file in stems("src/experiment/stimulus").iter().filter(|file| *file != "mod") {
        let text = fs::read_to_string(root().join(format!("src/experiment/stimulus/{}.rs", file.replace('-', "_"))));
        let text = text.unwrap();
        let is_listed = |name: &&str| text.contains(&format!("\"{name}\""));
        assert!(stimuli.iter().any(is_listed), "{file}.rs has no stimulus of the list");
    }
    let reports: Vec<_> = crun_capture::report::ALL.iter().map(|one| one.name()).collect();
    check_registry(
        "src/report",
        &reports,
        &["words", "failures", "own-bundle", "claims", "recommendation", "timeline"],
    );
    // The detached kinds are in the file of their runtime.
    let runtimes: Vec<_> = crun_capture::runtime::ALL.iter().map(|one| one.name()).collect();
    let plain: Vec<_> = runtimes.iter().copied().filter(|name| !name.ends_with("-detached")).collect();
    check_registry(
        "src/runtime",
        &plain,
        &["cgroup-view", "detached", "find", "id", "pids-limit", "probe", "stage", "stop", "wanted"],
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["src", "crates/reactor/src", "tests", "benches"] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//! ") || text.starts_with("//! \n"), "{} has no head", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    for (path, text) in sources("src").into_iter().chain(sources("crates/reactor/src")) {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let unsafe_lines = code.filter(|line| line.contains("unsafe ") || line.contains("unsafe{")).count();
        assert!(unsafe_lines == 0 || path.ends_with("src/sys.rs"), "{} has unsafe code", path.display());
    }
}

#[test]
fn analysis_comparison_and_reports_do_no_io() {
    for folder in ["src/analysis", "src/claim", "src/comparison", "src/report"] {
        for (path, text) in sources(folder) {
            for word in ["std::fs", "std::process", "std::net", "File::", "std::env"] {
                assert!(!without_tests(&text).contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn nothing_outside_its_own_file_names_a_strategy() {
    for strategy in crun_capture::strategy::ALL {
        let quoted = format!("\"{}\"", strategy.name());
        let all = sources("src").into_iter().chain(sources("crates/reactor/src"));
        for (path, text) in all.filter(|(path, _)| !path.ends_with("tests.rs")) {
            let own = path.file_stem().unwrap().to_str().unwrap().replace('_', "-") == strategy.name();
            // `file` is also the name of a capability, and `scanner` is a word of Go.
            let other_meaning = path.ends_with("strategy/capability.rs");
            // The claims of the spike are about its strategies.
            let is_claim = path.parent().is_some_and(|folder| folder.ends_with("src/claim"));
            assert!(
                own || other_meaning || is_claim || !without_tests(&text).contains(&quoted),
                "{} names {quoted}",
                path.display()
            );
        }
    }
}

#[test]
fn the_programs_beside_the_harness_share_only_what_they_may() {
    for (folder, prefix, allowed) in [
        ("src/bin/fake-crun", "crun_capture::", &["sys"][..]),
        ("src/bin/fake-crun", "crun_capture_reactor::", &[]),
        ("src/bin/crun-capture-emit", "crun_capture::", &["sys", "script"]),
        ("src/bin/crun-capture-emit", "crun_capture_reactor::", &["clock", "Stream"]),
    ] {
        for (path, text) in sources(folder) {
            for part in text.split(prefix).skip(1) {
                let name: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                assert!(allowed.contains(&name.as_str()), "{} uses {prefix}{name}", path.display());
            }
        }
    }
}

#[test]
fn every_expectation_is_about_something_that_exists() {
    let text = crun_capture::comparison::Expectations::built_in();
    let list: toml::Value = toml::from_str(text).unwrap();
    let names = |value: &toml::Value| -> Vec<String> {
        let list = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        list.into_iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    for entry in list["failure"].as_array().unwrap() {
        for name in names(&entry["strategy"]) {
            let name = name.trim_start_matches('!');
            assert!(name == "*" || crun_capture::strategy::find(name).is_some(), "{name}");
        }
        for name in entry.get("experiment").map(&names).unwrap_or_default() {
            assert!(crun_capture::experiment::find(&name).is_some(), "{name}");
        }
        for name in entry.get("runtime").map(&names).unwrap_or_default() {
            let name = name.trim_start_matches('!');
            assert!(crun_capture::runtime::ALL.iter().any(|one| one.name() == name), "{name}");
        }
    }
}

/// The functions of a file with their lengths in lines, without the unit tests. rustfmt puts the last brace under the
/// first word.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = without_tests(text).lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let words = ["pub(crate) ", "pub(super) ", "pub ", "const ", "unsafe "];
        let begin = words.iter().fold(line.trim_start(), |rest, word| rest.strip_prefix(word).unwrap_or(rest));
        let Some(name) = begin.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()) else { continue };
        let last = |line: &&str| {
            let rest = line.strip_prefix(indent).unwrap_or_default();
            rest.starts_with('}') || rest.starts_with(')') && rest.ends_with(';')
        };
        let length = match line.ends_with(['}', ';']) {
            true => 1,
            false => lines[at..].iter().position(last).map_or(1, |before| before + 1),
        };
        found.push((name, length));
    }
    found
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let long = format!("fn short() {{}}\n\npub fn long() {{\n{}}}\n", "    call();\n".repeat(69));
    assert_eq!(functions(&long), [("short", 1), ("long", 71)]);
    let mut count = 0;
    let production = sources("src").into_iter().chain(sources("crates/reactor/src"));
    for (path, text) in production.filter(|(path, _)| !path.ends_with("tests.rs")) {
        for (name, length) in functions(&text) {
            assert!(length <= 70, "{}: {name} has {length} lines", path.display());
            count += 1;
        }
    }
    assert!(count > 1_000, "the test reads the functions: {count}");
}
