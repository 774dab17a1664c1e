//! What can not be found: the list, in one place. The matrix asserts that it is exact, and README has its words.

/// Why a change of what is stored gives no finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Only entries newer than all sightings differ.
    Tail,
    /// The last signed statements are gone, and no entry.
    LastSignatures,
    /// An older state that was valid.
    EarlierState,
    /// The log never saw it.
    NeverLogged,
    /// All was written by who may write.
    LyingHost,
    /// There is nothing left.
    Destroyed,
}

/// Every limit in its own words, in the order of README.
pub const LIMITS: &[(Limit, &str)] = &[
    (
        Limit::Tail,
        "Entries newer than the last checkpoint, remembered head or witness sighting, changed by who writes the store.",
    ),
    (
        Limit::LastSignatures,
        "The last checkpoints or cosignatures taken away, by who writes the store: it looks as if they had not been \
         made yet, and the report says what is not signed; a witness that made them knows.",
    ),
    (
        Limit::EarlierState,
        "A return to an earlier valid state, or a whole stream hidden, by who writes the store where there is neither \
         head file, witness nor auditor's checkpoint; by who also replaces the head file, where there is neither \
         witness nor auditor's checkpoint.",
    ),
    (Limit::NeverLogged, "Events that were never logged."),
    (Limit::LyingHost, "A host that lied from the first entry with the signer's help."),
    (Limit::Destroyed, "Everything destroyed, with no witness."),
];

/// The words of a limit.
pub fn words(limit: Limit) -> &'static str {
    LIMITS.iter().find(|(listed, _)| *listed == limit).map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Text with every run of white space as one space.
    fn plain(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn readme_has_exactly_this_list() {
        let readme = plain(include_str!("../../../README.md"));
        let (_, list) = readme.split_once("**What can not be detected.** ").unwrap();
        let (list, _) = list.split_once(" So: keep heads").unwrap();
        let ours: Vec<String> = LIMITS.iter().map(|(_, words)| plain(words)).collect();
        assert_eq!(list, ours.join(" "));
    }
}
