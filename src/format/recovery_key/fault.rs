//! What is wrong with a text that should be a recovery key, and where. Found by trying: among all
//! texts that are one slip away, at most one is whole, for the checks have 70 bits (30 as one text).
//! Nothing is ever corrected: who typed looks at the place and types again.

use super::{ALPHABET, GROUP, GROUPS, PLAIN, WRITTEN, fits, whole};
use crate::model::path::display_bytes;
use std::fmt;
use zeroize::Zeroizing;

/// A character's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a group of the written form, both from 1.
    Group(usize, usize),
    /// In the one text, from 1, after `filbert1`.
    Text(usize),
}

/// Why a text is no recovery key. Holds nothing of the key but a character that cannot be in one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFault {
    /// It begins almost as a key does.
    Prefix,
    /// A character that no key has.
    Foreign(Place, String),
    /// One character is another one.
    Wrong(Place),
    /// Two neighbours, of which this is the first, changed places.
    Swapped(Place),
    /// Two groups, from 1, changed places.
    SwappedGroups(usize, usize),
    /// A character is missing here.
    Missing(Place),
    /// A character here is too many.
    Extra(Place),
    /// These groups, from 1, do not fit their check characters.
    Groups(Vec<usize>),
    /// Each group fits, or there are none, and the whole does not.
    Whole,
    /// Too many or too few characters.
    Length {
        /// So many are there, without the prefix.
        found: usize,
        /// So many groups from the first on are right.
        fitting: usize,
    },
}

/// The first character that no key has.
pub(super) fn foreign(characters: &[u8]) -> Option<KeyFault> {
    let text = String::from_utf8_lossy(characters);
    let count = text.chars().count();
    let (at, found) = text.chars().enumerate().find(|(_, c)| !u8::try_from(*c).is_ok_and(is_ours))?;
    let shown = display_bytes(found.to_string().as_bytes()).into_owned();
    Some(KeyFault::Foreign(place(at, count), shown))
}

fn is_ours(c: u8) -> bool {
    ALPHABET.contains(&c)
}

/// The place of character `at`, from 0, of `count`.
fn place(at: usize, count: usize) -> Place {
    if is_written(count) { Place::Group(at / GROUP + 1, at % GROUP + 1) } else { Place::Text(at + 1) }
}

/// Which of the two forms so many characters are nearer to.
fn is_written(count: usize) -> bool {
    count > (PLAIN + WRITTEN) / 2
}

/// What is wrong with characters that are not whole.
pub(super) fn locate(characters: &[u8]) -> KeyFault {
    let count = characters.len();
    let wanted = if is_written(count) { WRITTEN } else { PLAIN };
    let one_slip = match count.cmp(&wanted) {
        std::cmp::Ordering::Equal => replaced(characters),
        std::cmp::Ordering::Less => missing(characters, wanted),
        std::cmp::Ordering::Greater => extra(characters, wanted),
    };
    one_slip.unwrap_or_else(|| rest(characters, wanted))
}

/// One character another, two neighbours or two groups in each other's place.
fn replaced(characters: &[u8]) -> Option<KeyFault> {
    let count = characters.len();
    let mut tried = Zeroizing::new(characters.to_vec());
    for at in 1..count {
        tried.swap(at - 1, at);
        if whole(&tried).is_some() {
            return Some(KeyFault::Swapped(place(at - 1, count)));
        }
        tried.swap(at - 1, at);
    }
    for at in 0..count {
        for &c in ALPHABET {
            tried[at] = c;
            if whole(&tried).is_some() {
                return Some(KeyFault::Wrong(place(at, count)));
            }
        }
        tried[at] = characters[at];
    }
    let groups = if is_written(count) { GROUPS } else { 0 };
    for second in 1..groups {
        for first in 0..second {
            let (before, after) = tried.split_at_mut(second * GROUP);
            before[first * GROUP..][..GROUP].swap_with_slice(&mut after[..GROUP]);
            let found = whole(&tried).is_some();
            tried.copy_from_slice(characters);
            if found {
                return Some(KeyFault::SwappedGroups(first + 1, second + 1));
            }
        }
    }
    None
}

fn missing(characters: &[u8], wanted: usize) -> Option<KeyFault> {
    for at in 0..=characters.len() {
        for &c in ALPHABET {
            let mut tried = Zeroizing::new(Vec::with_capacity(wanted + 1));
            tried.extend_from_slice(&characters[..at]);
            tried.push(c);
            tried.extend_from_slice(&characters[at..]);
            if whole(&tried).is_some() {
                return Some(KeyFault::Missing(place(at, wanted)));
            }
        }
    }
    None
}

fn extra(characters: &[u8], wanted: usize) -> Option<KeyFault> {
    (0..characters.len()).find_map(|at| {
        let mut tried = Zeroizing::new(characters.to_vec());
        tried.remove(at);
        // The one behind the last belongs to the last group.
        whole(&tried).map(|_| KeyFault::Extra(place(at.min(wanted - 1), wanted)))
    })
}

/// More than one slip.
fn rest(characters: &[u8], wanted: usize) -> KeyFault {
    let groups = || characters.chunks(GROUP).enumerate().map(|(at, group)| fits(at, group));
    let written = wanted == WRITTEN;
    if characters.len() != wanted {
        let fitting = groups().take_while(|fits| *fits).count();
        // Of another form one group fits by chance, two hardly ever: then groups are missing.
        let fitting = if written || fitting > 1 { fitting } else { 0 };
        return KeyFault::Length { found: characters.len(), fitting };
    }
    let wrong: Vec<_> = groups().zip(1..).filter(|(fits, _)| !fits).map(|(_, number)| number).collect();
    if written && !wrong.is_empty() { KeyFault::Groups(wrong) } else { KeyFault::Whole }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Group(group, at) => {
                let ordinals = ["first", "second", "third", "fourth", "fifth"];
                let ordinal = ordinals.get(at.wrapping_sub(1)).copied().unwrap_or("last");
                write!(f, "group {group}, {ordinal} character")
            }
            Place::Text(at) => write!(f, "character {at} after `filbert1`"),
        }
    }
}

/// What a character may have been meant as.
fn look_alike(foreign: &str) -> &'static str {
    match foreign {
        "o" => " (`0` looks like it)",
        "i" | "1" | "|" | "!" => " (`l` looks like it)",
        "b" => " (`6` and `8` look like it)",
        _ => "",
    }
}

fn numbers(groups: &[usize]) -> String {
    let words: Vec<_> = groups.iter().map(usize::to_string).collect();
    words.join(", ")
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFault::Prefix => f.write_str("it should begin with `filbert1` and does almost so"),
            KeyFault::Foreign(place, found) => {
                write!(f, "{place}: `{found}` is no character of a recovery key{}", look_alike(found))
            }
            KeyFault::Wrong(place) => write!(f, "{place}: it is another one on the kit"),
            KeyFault::Swapped(place) => write!(f, "{place}: it and the one after it are swapped"),
            KeyFault::SwappedGroups(first, second) => write!(f, "groups {first} and {second} are swapped"),
            KeyFault::Missing(place) => write!(f, "{place}: it is missing"),
            KeyFault::Extra(place) => write!(f, "{place}: here is one too many"),
            KeyFault::Groups(groups) => match groups.as_slice() {
                [one] => write!(f, "group {one} does not fit its check character: compare it with the kit"),
                _ => write!(f, "groups {} do not fit their check characters: compare them", numbers(groups)),
            },
            KeyFault::Whole => f.write_str("it does not fit its checksum: compare all of it with the kit"),
            KeyFault::Length { found, fitting } => {
                write!(
                    f,
                    "after `filbert1` it has {found} characters, where eight groups of five belong ({WRITTEN}), \
                     or {PLAIN} as one text"
                )?;
                match fitting {
                    0 => Ok(()),
                    _ => write!(f, "; look from group {} on", fitting + 1),
                }
            }
        }
    }
}

impl std::error::Error for KeyFault {}
