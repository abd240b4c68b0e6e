//! What a strategy can do, and what it needs.

/// Something that some strategies can do and others cannot. Duties, such as losing nothing in silence, are not among them:
/// every strategy has those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Capability {
    /// It delivers each line while the command runs, without waiting for the next one.
    Live,
    /// It delivers text that has no line feed yet, such as a prompt, after a short quiet time.
    Prompts,
    /// It tells which stream a delivery came from.
    Apart,
    /// It leaves the bytes on disk.
    File,
    /// It delivers the writes of both streams in their exact order.
    Order,
    /// It keeps every byte, carriage returns and a missing final line feed included.
    ExactBytes,
    /// It takes lines of any length.
    AnyLine,
    /// It needs no more memory for more output.
    BoundedMemory,
    /// It ends soon after the command, even when a grandchild keeps the streams open.
    PromptDespiteGrandchild,
    /// A consumer that stops does not stall the command.
    FreeFlow,
    /// The command runs on when the capturer is killed.
    SurvivesDeath,
    /// The live stream goes on when the file fails, and the file when the live stream fails.
    IndependentSinks,
    /// The command may open /dev/stdout again.
    Reopen,
    /// It takes one write(2) of 4 MiB.
    AnyWrite,
    /// It loses nothing of programs as they are: a shell, Python, Node.js, dd.
    AnyProgram,
}

impl Capability {
    /// All capabilities, in the order in which every report lists them.
    pub const ALL: [Capability; 15] = [
        Capability::Live,
        Capability::Prompts,
        Capability::Apart,
        Capability::File,
        Capability::Order,
        Capability::ExactBytes,
        Capability::AnyLine,
        Capability::BoundedMemory,
        Capability::PromptDespiteGrandchild,
        Capability::FreeFlow,
        Capability::SurvivesDeath,
        Capability::IndependentSinks,
        Capability::Reopen,
        Capability::AnyWrite,
        Capability::AnyProgram,
    ];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Live => "live",
            Capability::Prompts => "prompts",
            Capability::Apart => "apart",
            Capability::File => "file",
            Capability::Order => "order",
            Capability::ExactBytes => "exact-bytes",
            Capability::AnyLine => "any-line",
            Capability::BoundedMemory => "bounded-memory",
            Capability::PromptDespiteGrandchild => "prompt-despite-grandchild",
            Capability::FreeFlow => "free-flow",
            Capability::SurvivesDeath => "survives-death",
            Capability::IndependentSinks => "independent-sinks",
            Capability::Reopen => "reopen",
            Capability::AnyWrite => "any-write",
            Capability::AnyProgram => "any-program",
        }
    }

    /// What it means, in one line of plain words.
    pub fn summary(self) -> &'static str {
        match self {
            Capability::Live => "delivers each line while the command runs, without waiting for the next one",
            Capability::Prompts => "delivers text that has no line feed yet, such as a prompt",
            Capability::Apart => "tells which stream a delivery came from",
            Capability::File => "leaves the bytes on disk",
            Capability::Order => "delivers the writes of both streams in their exact order",
            Capability::ExactBytes => "keeps every byte, CRs and a missing final LF included",
            Capability::AnyLine => "takes lines of any length",
            Capability::BoundedMemory => "needs no more memory for more output",
            Capability::PromptDespiteGrandchild => {
                "ends soon after the command, even when a grandchild keeps the streams open"
            }
            Capability::FreeFlow => "a consumer that stops does not stall the command",
            Capability::SurvivesDeath => "the command runs on when the capturer is killed",
            Capability::IndependentSinks => "the live stream and the file each go on when the other fails",
            Capability::Reopen => "the command may open /dev/stdout again",
            Capability::AnyWrite => "takes one write(2) of 4 MiB",
            Capability::AnyProgram => "loses nothing of programs as they are: a shell, Python, Node.js, dd",
        }
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capabilities {
    /// The set of these capabilities.
    pub const fn of(capabilities: &[Capability]) -> Capabilities {
        let mut bits = 0;
        let mut at = 0;
        while at < capabilities.len() {
            bits |= 1 << capabilities[at] as u16;
            at += 1;
        }
        Capabilities(bits)
    }

    /// Those in the set, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |&capability| self.has(capability))
    }

    /// Whether `capability` is in the set.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Capabilities {
        capabilities.into_iter().fold(Capabilities::default(), |all, one| Capabilities(all.0 | 1 << one as u16))
    }
}

/// What a strategy needs of its surroundings. The declaration of a capturer in TOML (`crun-capture compare --capturer`)
/// has the same fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Needs {
    /// The strategy syncs a file with every line, so it takes fewer lines a second than others.
    pub syncs_each_line: bool,
    /// A container must ask for a terminal (`process.terminal` in its config.json), so that the strategy can give it
    /// one.
    pub wants_terminal: bool,
    /// The strategy delivers nothing itself. Somebody must read the FIFOs that the paths of the command name.
    pub needs_reader: bool,
}

impl Needs {
    /// The strategy needs nothing.
    pub const NONE: Needs = Needs { syncs_each_line: false, wants_terminal: false, needs_reader: false };
    /// The strategy syncs a file with every line.
    pub const FEW_LINES: Needs = Needs { syncs_each_line: true, ..Needs::NONE };
    /// The container must ask for a terminal.
    pub const TERMINAL: Needs = Needs { wants_terminal: true, ..Needs::NONE };
    /// Somebody must read the FIFOs.
    pub const READER: Needs = Needs { needs_reader: true, ..Needs::NONE };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "serde")]
    fn names_are_the_ones_of_json() {
        for capability in Capability::ALL {
            assert_eq!(serde_json::to_value(capability).unwrap(), capability.name());
        }
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let set = Capabilities::of(&[Capability::Live, Capability::AnyProgram]);
        assert!(set.has(Capability::Live) && set.has(Capability::AnyProgram) && !set.has(Capability::Order));
        assert_eq!(set, [Capability::Live, Capability::AnyProgram].into_iter().collect());
    }
}
