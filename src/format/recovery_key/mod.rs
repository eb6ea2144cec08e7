//! A recovery key: 128 random bits that open a repository as a password does, for a person to keep
//! on paper. It is written so that a mistake in copying it shows, and where.
//!
//! As one text it is bech32m (BIP 350): `filbert1`, 26 characters of key, 6 of checksum. On paper
//! those 32 characters stand in eight groups of four, each with a fifth that checks the group and
//! its number.

mod fault;

pub use fault::{KeyFault, Place};

use crate::model::entropy::{Entropy, EntropyError};
use crate::model::secret::SecretText;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Fe32, Hrp};
use std::fmt;
use zeroize::Zeroizing;

/// What every recovery key begins with.
pub const PREFIX: &str = "filbert1";
/// The groups of the written form.
pub const GROUPS: usize = 8;
/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

/// The characters of bech32: digits and letters without `1`, `b`, `i` and `o`.
const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const HRP: Hrp = Hrp::parse_unchecked("filbert");
/// Characters of a group, its check included.
const GROUP: usize = 5;
/// Characters after the prefix: as one text, and in groups.
const PLAIN: usize = 32;
const WRITTEN: usize = GROUPS * GROUP;
/// A longer text is no recovery key, whatever stands between the characters.
const MAX_TEXT_BYTES: usize = 1024;
/// A text with fewer characters after what looks like the prefix is some password.
const FEWEST: usize = 24;

/// The key of a recovery slot.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryKey(Zeroizing<[u8; KEY_BYTES]>);

impl RecoveryKey {
    /// A new random key.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key's bytes. Hazard: a copy of them is not wiped.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Reads a key as one text or in groups, in upper or lower case, with spaces, dashes and line breaks
    /// anywhere, with or without `filbert1`. Everything else is a fault, told with its place.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let letters = letters(text)?;
        let Some(rest) = letters.strip_prefix(PREFIX) else {
            return match begins_almost(&letters) {
                true => Err(KeyFault::Prefix),
                false => read(letters.as_bytes()),
            };
        };
        read(rest.as_bytes())
    }

    /// Whether `text` is meant as a recovery key, right or not: it begins as one does, or almost so, and is
    /// about as long.
    pub fn is_meant_by(text: &str) -> bool {
        let Ok(letters) = letters(text) else { return false };
        letters.chars().count() >= PREFIX.len() + FEWEST && begins_almost(&letters)
    }

    /// The key as one text: bech32m.
    pub fn text(&self) -> SecretText {
        // Of 16 bytes and a known prefix every encoding succeeds.
        SecretText::new(bech32::encode_lower::<Bech32m>(HRP, &*self.0).unwrap_or_default())
    }

    /// The groups as they are written, each of five characters.
    pub fn groups(&self) -> Vec<SecretText> {
        let text = self.text();
        let plain = text.expose().get(PREFIX.len()..).unwrap_or_default().as_bytes();
        let written = plain.chunks(GROUP - 1).enumerate().map(|(at, four)| {
            let group: String = four.iter().chain([&check(at, four)]).map(|&c| char::from(c)).collect();
            SecretText::new(group)
        });
        written.collect()
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

/// The text in lower case without what may stand between the characters.
fn letters(text: &str) -> Result<Zeroizing<String>, KeyFault> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(KeyFault::Length { found: text.chars().count(), fitting: 0 });
    }
    // As long as it can get, for what a text grows out of is not wiped.
    let mut letters = Zeroizing::new(String::with_capacity(text.len()));
    letters.extend(text.chars().filter(|c| !is_between(*c)).map(|c| c.to_ascii_lowercase()));
    Ok(letters)
}

/// Spaces of all kinds, line breaks, dashes as word processors make them, and what cannot be seen.
fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '-' | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{feff}')
}

/// Whether the text begins with the prefix, but for one character that is wrong, missing or too many.
fn begins_almost(letters: &str) -> bool {
    let begin: Vec<char> = letters.chars().take(PREFIX.len() + 1).collect();
    let without = |text: &[char], at: usize| -> Vec<char> {
        text.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, c)| *c).collect()
    };
    let prefix: Vec<char> = PREFIX.chars().collect();
    let wrong = begin.iter().zip(&prefix).filter(|(a, b)| a != b).count();
    (begin.len() >= prefix.len() && wrong <= 1)
        || (0..prefix.len()).any(|at| begin.starts_with(&without(&prefix, at)))
        || (0..begin.len()).any(|at| without(&begin, at) == prefix)
}

/// Reads what stands after the prefix.
fn read(characters: &[u8]) -> Result<RecoveryKey, KeyFault> {
    if let Some(fault) = fault::foreign(characters) {
        return Err(fault);
    }
    whole(characters).ok_or_else(|| fault::locate(characters))
}

/// The key, if all characters and checks are right.
fn whole(characters: &[u8]) -> Option<RecoveryKey> {
    match characters.len() {
        PLAIN => of_plain(characters),
        WRITTEN => {
            let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN));
            for (at, group) in characters.chunks(GROUP).enumerate() {
                plain.extend_from_slice(fits(at, group).then_some(group)?.split_last()?.1);
            }
            of_plain(&plain)
        }
        _ => None,
    }
}

fn of_plain(plain: &[u8]) -> Option<RecoveryKey> {
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + PLAIN));
    text.push_str(PREFIX);
    text.push_str(std::str::from_utf8(plain).ok()?);
    let checked = CheckedHrpstring::new::<Bech32m>(&text).ok()?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    let mut found = checked.byte_iter();
    bytes.iter_mut().try_for_each(|byte| found.next().map(|next| *byte = next))?;
    let key = RecoveryKey(bytes);
    // 26 characters have two bits more than a key: a text that sets them was not written by us.
    (key.text().expose() == text.as_str()).then_some(key)
}

/// Whether the five characters of group `at`, from 0, fit each other.
fn fits(at: usize, group: &[u8]) -> bool {
    group.split_last().is_some_and(|(last, four)| four.len() == GROUP - 1 && check(at, four) == *last)
}

/// The check character of group `at`, from 0. As a polynomial over GF(32) at the point `z` the whole
/// group has the value of its number: so one wrong character, two that changed places, and two groups
/// that did are always noticed, by the group alone.
fn check(at: usize, four: &[u8]) -> u8 {
    let element = |c: u8| Fe32::from_char(char::from(c)).unwrap_or(Fe32::Q);
    let number = Fe32::try_from(at as u8 + 1).unwrap_or(Fe32::Q);
    let sum = four.iter().fold(Fe32::Q, |sum, &c| (sum + element(c)) * Fe32::Z);
    (number - sum).to_char() as u8
}

#[cfg(test)]
mod tests;
