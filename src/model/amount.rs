//! Counts and sizes as people read them: the one way to tell them.

use bytesize::ByteSize;

/// `1 file`, `2 files`; `1 entry`, `2 entries`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {}", of(count, one))
}

/// The word for so many of `one`: `file`, `files`; `entry`, `entries`.
fn of(count: u64, one: &str) -> String {
    let vowels = ["a", "e", "i", "o", "u"];
    match one.strip_suffix('y') {
        _ if count == 1 => one.to_owned(),
        Some(stem) if !vowels.iter().any(|vowel| stem.ends_with(vowel)) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

/// Bytes, humane.
pub fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_told_as_many() {
        let told: Vec<_> = [0, 1, 2].iter().map(|count| counted(*count, "file")).collect();
        assert_eq!(told, ["0 files", "1 file", "2 files"]);
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(counted(2, "entry"), "2 entries");
        assert_eq!(counted(2, "recovery key"), "2 recovery keys");
        assert_eq!(counted(2, "day"), "2 days");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size(20 << 20), "20.0 MiB");
    }
}
