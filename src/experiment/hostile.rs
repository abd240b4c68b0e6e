//! Hostile workloads: one attacks the terminal and the reports, one the machine.

use super::{Case, Experiment};
use crate::script::{Data, End, Script, Step};
use crun_capture_reactor::Stream;

/// Sequences that control a terminal (a title, a cleared screen, a hyperlink, text written backwards), and text that is
/// markup in other formats.
const ESCAPES: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}]8;;http://a/\u{1b}\\link\n\
                       <script>alert(1)</script> ]]> </testcase> | **bold** `code` \u{202e}backwards\n\
                       =cmd|' /C calc'!A0,\"quoted\",\r\0end\n";

/// More processes than any limit allows. A workload that starts so many was not stopped.
const STORM: u32 = 4_096;

pub(super) static HOSTILE: Experiment = Experiment {
    name: "hostile",
    question: "Does a hostile workload reach beyond its container?",
    sources: &["CWE-150 (escape sequences)", "cgroups(7), pids controller", "setrlimit(2), RLIMIT_NPROC"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let write = |stream| Step::Write { stream, data: Data::Text(ESCAPES.to_owned()), piece_bytes: None };
        let escapes = Script::new(size.seed, End::Exit(0)).then(write(Stream::Stdout)).then(write(Stream::Stderr));
        let said = Step::Write { stream: Stream::Stdout, data: Data::Text("stopped\n".to_owned()), piece_bytes: None };
        let storm = Script::new(size.seed, End::Exit(0)).then(Step::Storm { most: STORM }).then(said);
        vec![Case::new("escapes", escapes), Case { needs_pids_limit: true, ..Case::new("fork-storm", storm) }]
    },
};
