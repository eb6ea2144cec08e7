//! What may be left to the program: `auto`, or a number within bounds.

use crate::repository::writer::Choice;
use serde::Deserialize;
use std::ops::RangeInclusive;

const LEVELS: RangeInclusive<i32> = 1..=19;
const UPLOADS: RangeInclusive<i32> = 1..=8;

/// A choice that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: write `auto`, or a number from {} to {}", .bounds.start(), .bounds.end())]
pub struct ChoiceError {
    text: String,
    what: &'static str,
    bounds: RangeInclusive<i32>,
}

/// A level of compression: `auto` or 1 to 19.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Word")]
pub struct Compression(pub Choice<i32>);

/// Packs on their way at the same time: `auto` or 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Word")]
pub struct Uploads(pub Choice<usize>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Number(i64),
    Text(String),
}

fn parse(text: &str, what: &'static str, bounds: RangeInclusive<i32>) -> Result<Choice<i32>, ChoiceError> {
    let word = text.trim();
    if word.eq_ignore_ascii_case("auto") {
        return Ok(Choice::Auto);
    }
    match word.parse() {
        Ok(number) if bounds.contains(&number) => Ok(Choice::Fixed(number)),
        _ => Err(ChoiceError { text: text.to_owned(), what, bounds }),
    }
}

impl std::str::FromStr for Compression {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text, "level of compression", LEVELS).map(Self)
    }
}

impl std::str::FromStr for Uploads {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match parse(text, "number of uploads", UPLOADS)? {
            Choice::Auto => Choice::Auto,
            Choice::Fixed(number) => Choice::Fixed(number.unsigned_abs() as usize),
        }))
    }
}

impl Word {
    fn text(self) -> String {
        match self {
            Word::Number(number) => number.to_string(),
            Word::Text(text) => text,
        }
    }
}

impl TryFrom<Word> for Compression {
    type Error = ChoiceError;

    fn try_from(word: Word) -> Result<Self, ChoiceError> {
        word.text().parse()
    }
}

impl TryFrom<Word> for Uploads {
    type Error = ChoiceError;

    fn try_from(word: Word) -> Result<Self, ChoiceError> {
        word.text().parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_auto_or_a_number_within_bounds() {
        let level = |text: &str| text.parse::<Compression>().map(|level| level.0);
        assert_eq!(level("auto"), Ok(Choice::Auto));
        assert_eq!(level(" 19 "), Ok(Choice::Fixed(19)));
        assert_eq!("8".parse::<Uploads>().map(|uploads| uploads.0), Ok(Choice::Fixed(8)));
        for bad in ["", "0", "20", "-3", "fast", "3.5"] {
            assert!(level(bad).unwrap_err().to_string().contains("from 1 to 19"), "{bad}");
        }
        assert!("9".parse::<Uploads>().unwrap_err().to_string().contains("from 1 to 8"));
    }
}
