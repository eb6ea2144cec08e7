//! Any key comes back from any way of writing it; any slip is noticed, and told where it is.

use super::*;
use proptest::prelude::*;

fn key_of(bytes: [u8; KEY_BYTES]) -> RecoveryKey {
    RecoveryKey(Zeroizing::new(bytes))
}

/// The forms without the prefix: one text, and in groups.
fn forms(key: &RecoveryKey) -> [Vec<u8>; 2] {
    let groups: Vec<_> = key.groups().iter().map(|group| group.expose().to_owned()).collect();
    [key.text().expose()[PREFIX.len()..].into(), groups.concat().into_bytes()]
}

fn parse(characters: &[u8]) -> Result<RecoveryKey, KeyFault> {
    RecoveryKey::parse(&format!("{PREFIX}{}", std::str::from_utf8(characters).unwrap()))
}

fn place_in(form: &[u8], at: usize) -> Place {
    if form.len() == WRITTEN { Place::Group(at / 5 + 1, at % 5 + 1) } else { Place::Text(at + 1) }
}

#[test]
fn a_key_is_a_valid_bech32m_text_and_stands() {
    let key = key_of(*b"0123456789abcdef");
    let text = key.text();
    let (hrp, bytes) = bech32::decode(text.expose()).unwrap();
    assert_eq!((hrp.as_str(), bytes.as_slice()), ("filbert", &key.expose()[..]));
    // Written down once and for all: kits lie in drawers.
    assert_eq!(text.expose(), "filbert1xqcnyve5x5mrwwpev93xxer9vcyrc29a");
    assert_eq!(key.groups().len(), GROUPS);
}

#[test]
fn nothing_shows_a_key() {
    assert_eq!(format!("{:?}", key_of([7; 16])), "RecoveryKey(..)");
}

#[test]
fn what_is_typed_is_taken_in_any_dress() {
    let key = key_of([0x5a; 16]);
    let groups: Vec<_> = key.groups().iter().map(|group| group.expose().to_owned()).collect();
    let dresses = [
        format!("filbert1 {}", groups.join(" ")),
        format!("FILBERT1-{}", groups.join("-").to_uppercase()),
        format!("  filbert1\r\n{}\r\n{}\n", groups[..4].join("\u{a0}"), groups[4..].join(" \u{2013} ")),
        format!("Fil-bert1{}", groups.concat()),
        groups.join(" "),
        key.text().expose().to_owned(),
        key.text().expose().to_uppercase(),
        key.text().expose()[8..].to_owned(),
    ];
    for dress in dresses {
        assert_eq!(RecoveryKey::parse(&dress), Ok(key.clone()), "{dress}");
    }
}

#[test]
fn characters_that_no_key_has_are_named_with_what_they_look_like() {
    let key = key_of([0x33; 16]);
    let [plain, written] = forms(&key);
    for (foreign, said) in
        [('b', "`6` and `8`"), ('o', "`0`"), ('i', "`l`"), ('1', "`l`"), ('!', "`l`"), ('\u{456}', "\u{456}")]
    {
        let put = |form: &[u8], at: usize| -> String {
            let mut chars: Vec<char> = form.iter().map(|&c| char::from(c)).collect();
            chars[at] = foreign;
            PREFIX.chars().chain(chars).collect()
        };
        let fault = RecoveryKey::parse(&put(&written, 32)).unwrap_err().to_string();
        assert!(fault.contains("group 7, third character") && fault.contains(said), "{fault}");
        let fault = RecoveryKey::parse(&put(&plain, 0)).unwrap_err().to_string();
        assert!(fault.contains("character 1 after `filbert1`"), "{fault}");
    }
    let fault = RecoveryKey::parse("filbert1\x1b[2J").unwrap_err().to_string();
    assert!(!fault.contains('\x1b'), "what is shown cannot speak to the terminal: {fault}");
}

#[test]
fn what_is_meant_as_a_key_is_told_from_a_password() {
    let text = key_of([1; 16]).text();
    let rest = &text.expose()[PREFIX.len()..];
    for prefix in ["filbert1", "FILBERT1 ", "filbertl", "filbert", "fibert1", "fillbert1", "fil8ert1"] {
        assert!(RecoveryKey::is_meant_by(&format!("{prefix}{rest}")), "{prefix}");
    }
    assert_eq!(RecoveryKey::parse(&format!("filbertl{rest}")), Err(KeyFault::Prefix));
    for password in ["filbert1", "filbert is my dog", "filbert1-hunter2", "", "correct horse", rest] {
        assert!(!RecoveryKey::is_meant_by(password), "{password}");
    }
    assert!(!RecoveryKey::is_meant_by(&"filbert1q".repeat(10_000)));
}

#[test]
fn several_mistakes_are_told_by_group_and_length() {
    let [plain, written] = forms(&key_of([0xc3; 16]));
    let mut two = written.clone();
    for at in [6, 38] {
        two[at] = if two[at] == b'q' { b'p' } else { b'q' };
    }
    assert_eq!(parse(&two), Err(KeyFault::Groups(vec![2, 8])));
    assert_eq!(
        parse(&two).unwrap_err().to_string(),
        "groups 2, 8 do not fit their check characters: compare them"
    );
    let cut = [&written[..10], &written[13..]].concat();
    assert_eq!(parse(&cut), Err(KeyFault::Length { found: 37, fitting: 2 }));
    assert!(parse(&cut).unwrap_err().to_string().contains("from group 3 on"));
    // A group that was left out, and a row.
    let short = [&written[..10], &written[15..]].concat();
    assert_eq!(parse(&short), Err(KeyFault::Length { found: 35, fitting: 2 }));
    assert_eq!(parse(&written[..20]), Err(KeyFault::Length { found: 20, fitting: 4 }));
    let mut spoilt = plain;
    for at in [3, 17] {
        spoilt[at] = if spoilt[at] == b'q' { b'p' } else { b'q' };
    }
    assert_eq!(parse(&spoilt), Err(KeyFault::Whole));
    assert!(matches!(parse(b""), Err(KeyFault::Length { found: 0, .. })));
    // Groups of two kits: each fits, and together they do not.
    let other = forms(&key_of([0x17; 16]))[1].clone();
    let mixed = [&written[..20], &other[20..]].concat();
    assert_eq!(parse(&mixed), Err(KeyFault::Whole));
}

#[test]
fn every_group_out_of_its_place_is_told_with_the_other() {
    let [_, written] = forms(&key_of(*b"every group once"));
    for second in 1..GROUPS {
        for first in 0..second {
            let mut groups: Vec<&[u8]> = written.chunks(GROUP).collect();
            groups.swap(first, second);
            let fault = KeyFault::SwappedGroups(first + 1, second + 1);
            assert_eq!(parse(&groups.concat()), Err(fault));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_key_reads_back(bytes: [u8; KEY_BYTES]) {
        let key = key_of(bytes);
        for form in forms(&key) {
            prop_assert_eq!(parse(&form), Ok(key.clone()));
        }
    }

    #[test]
    fn one_wrong_character_is_told_with_its_place(bytes: [u8; KEY_BYTES], at in 0usize..WRITTEN, to in 0usize..32) {
        for form in forms(&key_of(bytes)) {
            let at = at % form.len();
            let mut wrong = form.clone();
            wrong[at] = ALPHABET[to];
            if wrong != form {
                let neighbours = |at: usize| KeyFault::Swapped(place_in(&form, at));
                let fault = parse(&wrong).unwrap_err();
                prop_assert!(fault != neighbours(at), "{:?}", fault);
                prop_assert_eq!(fault, KeyFault::Wrong(place_in(&form, at)));
            }
        }
    }

    #[test]
    fn swapped_neighbours_are_told_with_their_place(bytes: [u8; KEY_BYTES], at in 1usize..WRITTEN) {
        for form in forms(&key_of(bytes)) {
            let at = 1 + at % (form.len() - 1);
            let mut wrong = form.clone();
            wrong.swap(at - 1, at);
            if wrong != form {
                prop_assert_eq!(parse(&wrong), Err(KeyFault::Swapped(place_in(&form, at - 1))));
            }
        }
    }

    #[test]
    fn a_missing_or_doubled_character_is_told_with_its_place(bytes: [u8; KEY_BYTES], at in 0usize..WRITTEN) {
        for form in forms(&key_of(bytes)) {
            let at = at % form.len();
            // Of a run of like characters nobody can say which one it is: the first is told.
            let first = (0..at).rev().take_while(|&before| form[before] == form[at]).last().unwrap_or(at);
            let mut missing = form.clone();
            missing.remove(at);
            prop_assert_eq!(parse(&missing), Err(KeyFault::Missing(place_in(&form, first))));
            let mut doubled = form.clone();
            doubled.insert(at, form[at]);
            prop_assert_eq!(parse(&doubled), Err(KeyFault::Extra(place_in(&form, first))));
        }
    }

    #[test]
    fn whatever_is_typed_is_a_key_or_a_fault_that_can_be_shown(text in "\\PC{0,80}|[a-z0-9 -]{30,60}") {
        if let Err(fault) = RecoveryKey::parse(&text) {
            prop_assert!(!fault.to_string().is_empty());
        }
        RecoveryKey::is_meant_by(&text);
    }
}
