//! The order of the modules: each module uses only those before it, and no two files use each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A crate's source folder, and the module that its paths begin with.
const CRATES: [&str; 2] = ["src", "crates/reactor/src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder: their paths relative to it, and their code without comments and unit tests.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines();
                let code: Vec<&str> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), code.join("\n"));
            }
        }
    }
    files
}

/// The modules of a crate, in the order in which `lib.rs` names them.
fn order(files: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let lib = &files[Path::new("lib.rs")];
    let modules = lib.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    modules.map(|rest| rest.trim_end_matches(';').to_owned()).collect()
}

/// What follows each `crate::` in the code, one entry per name: `use crate::a::{b, c::D}` gives `a::b` and `a::c::D`.
fn paths_after(code: &str, prefix: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for rest in code.split(prefix).skip(1) {
        expand("", rest, &mut paths);
    }
    paths
}

fn expand(before: &str, rest: &str, paths: &mut Vec<String>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
    let path = format!("{before}{}", &rest[..end]);
    if !rest[end..].starts_with('{') {
        paths.push(path);
        return;
    }
    let (mut depth, mut start) = (0, end + 1);
    for (at, c) in rest[end..].char_indices().map(|(at, c)| (end + at, c)) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                expand(&path, rest[start..at].trim_start(), paths);
                start = at + 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    if !rest[start..at].trim().is_empty() {
                        expand(&path, rest[start..at].trim_start(), paths);
                    }
                    return;
                }
            }
            _ => {}
        }
    }
}

#[test]
fn each_module_uses_only_what_stands_before_it() {
    for folder in CRATES {
        let files = files(&root().join(folder));
        let order = order(&files);
        let place = |module: &str| order.iter().position(|one| one == module);
        let mut seen = 0;
        for (path, code) in &files {
            let first = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
            let Some(own) = place(first) else { continue };
            for used in paths(path, code) {
                // A crate's own `lib.rs` passes names on.
                let module = used.split("::").next().unwrap();
                let other = place(module).unwrap_or_else(|| panic!("{folder}: {} uses {used:?}", path.display()));
                assert!(other <= own, "{folder}: {} uses {module}, which stands after {first}", path.display());
                seen += usize::from(other < own);
            }
        }
        assert!(seen > 20, "the test reads the imports of {folder}");
    }
}

/// The file of a module path, such as `a/b.rs` or `a/b/mod.rs` for `a::b::Name`. It is that of the longest part that
/// has a file.
fn file_of(files: &BTreeMap<PathBuf, String>, folder: &Path, path: &str) -> Option<PathBuf> {
    let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
    while !parts.is_empty() {
        let joined = parts.iter().fold(folder.to_owned(), |path, part| path.join(part));
        let found =
            [joined.with_extension("rs"), joined.join("mod.rs")].into_iter().find(|one| files.contains_key(one));
        if found.is_some() {
            return found;
        }
        parts.pop();
    }
    None
}

/// The module that a file is, as the parts of its path: `[a, b]` for `a/b.rs` and for `a/b/mod.rs`.
fn module_of(path: &Path) -> Vec<&str> {
    let mut parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs")).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(last)) {
        parts.pop();
    }
    parts
}

/// The paths that a file uses, from the root of its crate: those after `crate::`, and those after `super::`.
fn paths(path: &Path, code: &str) -> Vec<String> {
    let mut found = paths_after(code, "crate::");
    let module = module_of(path);
    let chains = paths_after(code, "super::");
    // Each further `super::` of a chain is empty here, because the prefix splits there too.
    let mut above = 1;
    for rest in chains {
        if rest.is_empty() {
            above += 1;
            continue;
        }
        let base = &module[..module.len().saturating_sub(above)];
        found.push(base.iter().copied().chain([rest.as_str()]).collect::<Vec<_>>().join("::"));
        above = 1;
    }
    found
}

/// The files from which a file takes names. If a `mod.rs` only passes a name on, the file that has the name counts. A
/// folder's `mod.rs` and the files in it may share the items of that `mod.rs`.
fn uses(files: &BTreeMap<PathBuf, String>, path: &Path, code: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for used in paths(path, code) {
        let Some(file) = file_of(files, Path::new(""), &used) else { continue };
        let rest = used.split("::").nth(module_of(&file).len());
        let passed_on =
            paths_after(&files[&file], "pub use ").into_iter().chain(paths_after(&files[&file], "pub(crate) use "));
        let source = passed_on.into_iter().find(|one| rest.is_some() && one.split("::").last() == rest);
        let folder = file.parent().unwrap();
        found.insert(source.and_then(|source| file_of(files, folder, &source)).unwrap_or(file));
    }
    found.retain(|file| !(file.ends_with("mod.rs") && path.starts_with(file.parent().unwrap())));
    found.remove(path);
    found
}

/// Two files that use each other, directly or through other files.
fn circle(files: &BTreeMap<PathBuf, String>) -> Option<[PathBuf; 2]> {
    let graph: BTreeMap<&PathBuf, BTreeSet<PathBuf>> =
        files.iter().map(|(path, code)| (path, uses(files, path, code))).collect();
    for &start in graph.keys() {
        let (mut reached, mut todo) = (BTreeSet::new(), vec![start.clone()]);
        while let Some(next) = todo.pop() {
            for used in &graph[&next] {
                if used == start {
                    return Some([start.clone(), next]);
                }
                if reached.insert(used.clone()) {
                    todo.push(used.clone());
                }
            }
        }
    }
    None
}

#[test]
fn no_two_files_use_each_other() {
    for folder in ["src", "crates/reactor/src", "src/bin/fake-crun", "src/bin/crun-capture-emit"] {
        assert_eq!(circle(&files(&root().join(folder))), None, "{folder}");
    }
}

#[test]
fn a_circle_is_found() {
    let house = |a: &str, b: &str, c: &str| {
        [("x/a.rs", a), ("x/b.rs", b), ("x/mod.rs", ""), ("c.rs", c)]
            .map(|(path, code)| (path.into(), code.into()))
            .into()
    };
    let sound: BTreeMap<PathBuf, String> = house("use super::b::B;", "", "use crate::x::a::A;");
    assert_eq!(circle(&sound), None);
    let beside = house("use super::b::B;", "use super::a::{A, C};", "");
    assert_eq!(circle(&beside), Some(["x/a.rs", "x/b.rs"].map(PathBuf::from)));
    let around = house("use super::{b::B};", "use crate::c::C;", "fn f() { crate::x::a::f() }");
    assert!(circle(&around).is_some());
    let mut passed_on = house("use super::B;", "fn f(_: super::A) {}", "");
    passed_on.insert("x/mod.rs".into(), "pub use a::A;\npub use b::{B, C};".into());
    assert!(circle(&passed_on).is_some(), "a name is its file's, also when the folder passes it on");
}

#[test]
fn paths_are_read_wherever_they_stand() {
    assert_eq!(paths(Path::new("files.rs"), "fn f(_: super::session::Host) {}"), ["session::Host"]);
    assert_eq!(paths(Path::new("a/b/c.rs"), "let x = super::super::d::E; use super::f::G;"), ["a::d::E", "a::b::f::G"]);
    assert_eq!(paths(Path::new("a/mod.rs"), "pub(super) use crate::h::I; use super::j;"), ["h::I", "j"]);
}

#[test]
fn imports_are_read_with_their_braces() {
    let code = "use crate::a::{b, c::D, e::{F, G}};\nlet x = crate::h::i(crate::j);";
    assert_eq!(paths_after(code, "crate::"), ["a::b", "a::c::D", "a::e::F", "a::e::G", "h::i", "j"]);
}
