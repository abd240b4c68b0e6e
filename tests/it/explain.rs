//! `explain` draws one cell again. `recommend` says which strategies do what is needed.

use crate::run::Run;
use crun_capture::comparison::{Candidate, Recommendation};
use crun_capture::strategy::{self, Capability, Strategy};

#[test]
fn a_hang_is_drawn_with_what_it_comes_from_and_what_holds() {
    let ended = Run::new(["explain", "fake/tee/long-line/65537"]).exits(0);
    let text = &ended.stdout;
    for part in [
        "fake/tee/long-line/65537 · fake",
        "\nstdout written  #===",
        "\nlost, swapped  x",
        "the deadline: the capturer is killed",
        "Fails, as expected: deadline_hit",
        "golang/go#11242, golang/go#9568",
        "These do not fail here: combined, buffered, file",
        "scanner fails always: deadline_hit",
        "crun-capture compare --runtime fake --filter fake/tee/long-line/65537",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.lines().take(12).all(|line| line.chars().count() <= 120), "{text}");
    assert_eq!(std::fs::read_dir(ended.directory.path()).unwrap().count(), 0, "nothing is kept");
}

#[test]
fn what_is_done_to_a_run_is_told_with_its_time() {
    let text = Run::new(["explain", "bare/scanner/flow/never-reads", "--width", "70"]).exits(0).stdout;
    assert!(text.contains("Meanwhile the consumer reads nothing until the workload has ended"), "{text}");
    assert!(text.contains("the consumer stops reading") && text.contains("the consumer reads again"), "{text}");
    assert!(text.contains("stalled for"), "{text}");
}

#[test]
fn what_is_no_cell_is_refused_with_the_nearest() {
    Run::new(["explain", "fake/tee"]).exits(2).says("runtime/strategy/experiment/case");
    // The longest name without its last letter: whatever is added to the list, that name stays the nearest.
    let name = strategy::ALL.iter().map(|one| one.name()).max_by_key(|name| name.len()).unwrap();
    let misspelt = format!("fake/{}/burst/exit-at-once", &name[..name.len() - 1]);
    Run::new(["explain", &misspelt]).exits(2).says(&format!("did you mean {name:?}?"));
    Run::new(["explain", "fake/tee/burst/exit-at"]).exits(2).says("fake/tee/burst/exit-at-once");
    Run::new(["explain", "nowhere/tee/burst/exit-at-once"]).exits(2).says("there is no runtime");
    Run::new(["explain", "bare/tee/death/front-killed"]).exits(4).says("no front process");
}

#[test]
fn a_recommendation_says_who_does_it_and_why_the_others_do_not() {
    let run = Run::new(["compare", "--quick", "--runtime", "fake", "--output", "run"]);
    let run = run.with(["--experiment", "interleave,paced,bytes,framing,death,throughput"]).exits(0);
    let recommend = |words: &[&str]| {
        let mut command = assert_cmd::Command::new(crate::run::program());
        command.current_dir(run.directory.path()).args(["recommend", "--from", "run"]).args(words);
        String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
    };
    let json = recommend(&["--need", "apart,exact-bytes", "--format", "json"]);
    let found: Recommendation = serde_json::from_str(&json).unwrap();
    let (meet, others): (Vec<_>, Vec<_>) = found.candidates.iter().partition(|one| one.meets);
    let mut names: Vec<&str> = meet.iter().map(|one| one.strategy.as_str()).collect();
    names.sort_unstable();
    let both = |one: &&&dyn Strategy| {
        [Capability::Apart, Capability::ExactBytes].map(|it| one.declares().has(it)) == [true; 2]
    };
    let mut apart_and_exact: Vec<&str> = strategy::ALL.iter().filter(both).map(|one| one.name()).collect();
    apart_and_exact.sort_unstable();
    assert_eq!(names, apart_and_exact, "what keeps the streams apart and every byte is what declares so");
    assert!(others.iter().all(|one| !one.missing.is_empty()));
    // The first one changes from run to run, because the costs are close.
    let sound = meet.into_iter().filter(|one| one.broken_duties.is_empty());
    let ratio = |one: &&Candidate| one.figures.cpu_ratio.expect("throughput was run, and the control with it");
    let cheapest = sound.min_by(|one, other| ratio(one).total_cmp(&ratio(other))).unwrap();
    assert_eq!(found.winner(), Some(cheapest));
    assert_eq!(found.candidates.first(), Some(cheapest));
    let buffered = found.candidates.iter().find(|one| one.strategy == "buffered").unwrap();
    assert!(buffered.broken_duties.is_empty());
    assert!(buffered.cannot.iter().any(|shown| shown.what == "live"));
    let text = recommend(&["--for", "nomad-driver"]);
    assert!(text.starts_with("Needed: live, apart, file, survives-death. Measured on fake."), "{text}");
    let at = |name: &str| text.find(&format!("\n{name} "));
    let tee = at("tee").unwrap();
    assert!(at("follow").unwrap() < tee, "what does it comes first\n{text}");
    let needs = [Capability::Live, Capability::Apart, Capability::File, Capability::SurvivesDeath];
    let meets = |one: &dyn Strategy| needs.iter().all(|&it| one.declares().has(it));
    let others = strategy::ALL.iter().filter(|one| one.name() != "tee" && !meets(**one));
    let mut others = others.map(|one| at(one.name()).unwrap());
    assert!(others.all(|at| at > tee), "the spike's recommendation is answered next\n{text}");
    let winner = |needs: &str| {
        let found: Recommendation = serde_json::from_str(&recommend(&["--need", needs, "--format", "json"])).unwrap();
        found.winner().map(|one| one.strategy.clone())
    };
    assert_eq!(winner("live,apart,order").as_deref(), Some("sequenced"));
    assert!(text.contains("crun-capture explain fake/tee/death/capturer-killed"), "{text}");
    Run::new(["recommend"]).exits(2).says("--need");
    Run::new(["recommend", "--need", "fast"]).exits(2).says("exact-bytes");
}
