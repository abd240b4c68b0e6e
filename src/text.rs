//! Words and numbers, as reports and messages print them.

/// Whether a name may stand in ids and file names. It consists of letters, digits, dashes, underscores and dots, and
/// does not begin with a dot.
pub fn is_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// The median of some values. If two are in the middle, it is the upper one. None: there are no values.
pub fn median(values: impl IntoIterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.into_iter().collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// A number of bytes in MiB: `3.5`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// A time: `12.3 us`, `4.5 ms`, `6.7 s`.
pub fn time(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", ns as f64 / 1e9),
    }
}

/// A word, quoted for a shell if it must be.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_one_of_the_values() {
        assert_eq!(median([]), None);
        assert_eq!(median([3, 1, 2]), Some(2));
        assert_eq!(median([4, 1, 3, 2]), Some(3));
    }

    #[test]
    fn a_label_is_no_path_and_no_option() {
        assert!(["crun", "crun-1.8.1", "a_b"].into_iter().all(is_label));
        assert!(!["", ".", "..", ".x", "a/b", "a b", "a=b"].into_iter().any(is_label));
    }

    #[test]
    fn a_shell_takes_a_word_as_it_is() {
        assert_eq!(shell_word("a=/b-c"), "a=/b-c");
        assert_eq!(shell_word("a b'c"), "'a b'\\''c'");
    }
}
