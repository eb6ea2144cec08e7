//! Pack entries, as records carry them: what is accepted has frames that lie in the pack, in
//! order and without gaps, and every plan to fetch them stays within it.

#![no_main]

use filbert::format::pack::{FIRST_FRAME, MAX_PACK_BYTES, PackEntry};
use filbert::repository::reader::plan_fetches;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packs) = PackEntry::read_all(bytes) else { return };
    let written = PackEntry::write_all(&packs);
    assert_eq!(PackEntry::read_all(&written).as_ref(), Ok(&packs));
    for pack in &packs {
        assert!(pack.size <= MAX_PACK_BYTES);
        let mut end = FIRST_FRAME;
        for (_, at, frame) in pack.index.offsets() {
            assert_eq!(at, end);
            end = at + u64::from(frame.sealed_len);
        }
        if !pack.index.frames.is_empty() {
            assert!(end <= pack.size);
        }
        // Every other frame, and all of them.
        for step in [2, 1] {
            let wanted: BTreeSet<u32> = (0..pack.index.frames.len() as u32).step_by(step).collect();
            let fetches = plan_fetches(pack, &wanted);
            let planned: Vec<u32> =
                fetches.iter().flat_map(|fetch| &fetch.frames).map(|(number, _)| *number).collect();
            assert!(planned.iter().eq(&wanted));
            for fetch in &fetches {
                assert!(fetch.range.start <= fetch.range.end && fetch.range.end <= pack.size);
                assert!(fetch.frames.iter().all(|(_, at)| fetch.range.start <= *at));
            }
        }
    }
});
