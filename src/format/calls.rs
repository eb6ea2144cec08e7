//! Machine code names a function by its distance, so each call of it looks different. With the
//! distance from the start of the frame instead, all calls of one function look alike, which makes
//! programs for x86 some percent smaller once zstd is through with them.

/// Opcodes of a call and a jump with a target of four bytes.
const CALL: u8 = 0xE8;
const JUMP: u8 = 0xE9;
/// A target and its opcode.
const INSTRUCTION_BYTES: usize = 5;
/// Bits of a signed target: 64 MiB either way. What goes farther is taken for something else.
const TARGET_BITS: u32 = 27;

/// Of so many bytes so many are looked at to tell code from other content.
const STRIDE: usize = 32 << 10;
const SAMPLE: usize = 4 << 10;
/// Code has more calls than one in so many bytes.
const BYTES_A_CALL: usize = 500;

/// Whether `plain` looks as if a good part of it were machine code for x86.
pub(super) fn seem_frequent(plain: &[u8]) -> bool {
    let (mut calls, mut seen) = (0, 0);
    for stride in plain.chunks(STRIDE) {
        let sample = stride.get(..SAMPLE).unwrap_or(stride);
        seen += sample.len();
        calls += sample
            .windows(INSTRUCTION_BYTES)
            .filter(|window| matches!(**window, [CALL, _, _, _, 0x00 | 0xFF]))
            .count();
    }
    calls * BYTES_A_CALL > seen
}

/// Targets by their distance from the call to targets by their distance from the start.
pub(super) fn to_absolute(content: &mut [u8]) {
    turn(content, u32::wrapping_add);
}

/// The reverse of [`to_absolute`].
pub(super) fn to_relative(content: &mut [u8]) {
    turn(content, u32::wrapping_sub);
}

/// Both ways pass over the same bytes: those of an instruction are never looked at as the
/// beginning of another one, whether they are changed or not, and a target that is changed stays
/// within `TARGET_BITS`.
fn turn(content: &mut [u8], shift: impl Fn(u32, u32) -> u32) {
    let mut at = 0;
    while let Some(found) = next(content, at) {
        let end = found + INSTRUCTION_BYTES;
        let Some(Ok(bytes)) = content.get(found + 1..end).map(<[u8; 4]>::try_from) else { return };
        let target = u32::from_le_bytes(bytes);
        if sign_extended(target) == target {
            // A frame has at most 32 MiB.
            let turned = sign_extended(shift(target, end as u32));
            content[found + 1..end].copy_from_slice(&turned.to_le_bytes());
        }
        at = end;
    }
}

/// Where the next opcode is, from `at` on.
fn next(content: &[u8], at: usize) -> Option<usize> {
    memchr::memchr2(CALL, JUMP, content.get(at..)?).map(|found| at + found)
}

fn sign_extended(target: u32) -> u32 {
    let unused = u32::BITS - TARGET_BITS;
    ((target << unused).cast_signed() >> unused).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A call of the same function from each of `count` places.
    fn calls(count: usize) -> Vec<u8> {
        let call = |number: usize| {
            let mut code = [0x90; 20];
            code[0] = CALL;
            let target = 1_000_000u32.wrapping_sub((number * 20 + INSTRUCTION_BYTES) as u32);
            code[1..5].copy_from_slice(&target.to_le_bytes());
            code
        };
        (0..count).flat_map(call).collect()
    }

    #[test]
    fn calls_of_one_function_become_alike() {
        let code = calls(1000);
        assert!(seem_frequent(&code));
        let mut turned = code.clone();
        to_absolute(&mut turned);
        assert!(turned.chunks(20).all(|call| call == &turned[..20]));
        to_relative(&mut turned);
        assert_eq!(turned, code);
    }

    /// Golden: what is stored was turned so.
    #[test]
    fn calls_are_turned_as_in_version_1() {
        let mut content =
            *b"\xE8\x10\0\0\0\xE8\xE9\xF0\xFF\xFF\xE9\xFF\xFF\xFF\x03\xE8\x01\0\0\x04\xE9\0\0\0";
        to_absolute(&mut content);
        let turned = b"\xE8\x15\0\0\0\xE8\xF3\xF0\xFF\xFF\xE9\x0E\0\0\xFC\xE8\x01\0\0\x04\xE9\0\0\0";
        assert_eq!(&content, turned);
    }

    #[test]
    fn text_and_noise_are_no_code() {
        let mut noise = vec![0; 1 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        assert!(!seem_frequent(&noise));
        assert!(!seem_frequent("每个字都以 E8 或 E9 开头: 连过还这边远".repeat(1000).as_bytes()));
        assert!(!seem_frequent(&[0; 5000]) && !seem_frequent(b""));
    }

    proptest! {
        /// Of few different bytes, so that opcodes overlap and targets lie at the bounds.
        #[test]
        fn what_is_turned_turns_back(
            content in proptest::collection::vec(
                prop::sample::select(vec![CALL, JUMP, 0x00, 0x01, 0x03, 0x04, 0x7F, 0x80, 0xFB, 0xFC, 0xFF]),
                0..300,
            ),
        ) {
            let mut turned = content.clone();
            to_absolute(&mut turned);
            to_relative(&mut turned);
            prop_assert_eq!(turned, content);
        }
    }
}
