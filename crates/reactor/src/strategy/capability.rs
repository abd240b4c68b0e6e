//! What a strategy can declare that it does.

/// One thing that some capturers can do and others cannot. Duties, which no capturer may decline, are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Capability {
    /// Delivers while the process runs, also an unterminated prompt after a short quiet time.
    Live,
    /// Tells which stream a delivery is from.
    Apart,
    /// Leaves the bytes on disk.
    File,
    /// Delivers the writes of both streams in their exact order.
    Order,
    /// Keeps every byte, carriage returns and a missing final line feed included.
    ExactBytes,
    /// Takes lines of any length.
    AnyLine,
    /// Needs no more memory for more output.
    BoundedMemory,
    /// Ends soon after the container even though a grandchild keeps the streams open.
    PromptDespiteGrandchild,
    /// Does not stall the workload when its consumer stops.
    FreeFlow,
    /// Lets the workload run on when the capturer is killed.
    SurvivesDeath,
    /// Keeps the live stream going when the file fails, and the file when the live stream fails.
    IndependentSinks,
    /// Lets the program open /dev/stdout again.
    Reopen,
    /// Takes one write(2) of 4 MiB.
    AnyWrite,
    /// Loses nothing of programs as they are.
    AnyProgram,
}

impl Capability {
    /// All of them, in the order of every report.
    pub const ALL: [Capability; 14] = [
        Capability::Live,
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

    /// What it means, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Capability::Live => "delivers while the process runs",
            Capability::Apart => "tells which stream a delivery is from",
            Capability::File => "leaves the bytes on disk",
            Capability::Order => "keeps the order of the writes across both streams",
            Capability::ExactBytes => "keeps every byte, CR and a missing final LF included",
            Capability::AnyLine => "takes lines of any length",
            Capability::BoundedMemory => "needs no more memory for more output",
            Capability::PromptDespiteGrandchild => "ends soon after the container, whoever keeps the streams open",
            Capability::FreeFlow => "a consumer that stops does not stall the workload",
            Capability::SurvivesDeath => "the workload runs on when the capturer is killed",
            Capability::IndependentSinks => "a failing file does not stop the live stream, nor the reverse",
            Capability::Reopen => "the program may open /dev/stdout again",
            Capability::AnyWrite => "takes one write of 4 MiB",
            Capability::AnyProgram => "loses nothing of programs as they are",
        }
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u16);

impl Capabilities {
    /// These.
    pub const fn of(capabilities: &[Capability]) -> Capabilities {
        let mut bits = 0;
        let mut at = 0;
        while at < capabilities.len() {
            bits |= 1 << capabilities[at] as u16;
            at += 1;
        }
        Capabilities(bits)
    }

    /// Whether `capability` is among them.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u16) != 0
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Capabilities {
        capabilities.into_iter().fold(Capabilities::default(), |all, one| Capabilities(all.0 | 1 << one as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
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
