//! Names of objects, as a server lists them: whatever is taken for one of ours is written back
//! the same, so that no two names mean one object.

#![no_main]

use filbert::format::names::{self, RecordName};
use filbert::model::path::EntryPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(path) = EntryPath::new(bytes.to_vec()) {
        assert_eq!(path.as_bytes(), bytes);
        for name in path.components() {
            assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0));
        }
        path.display().chars().for_each(|shown| assert!(!shown.is_control()));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(name) = RecordName::parse(text) {
        assert_eq!(name.to_string(), text);
    }
    if let Some(number) = names::parse_folder(text) {
        assert_eq!(text.parse(), Ok(number));
    }
    if let Some((generation, object)) = names::parse_descriptor(text) {
        let again = format!("filbert-{generation}-{object}.json");
        assert_eq!(names::parse_descriptor(&again), Some((generation, object)));
    }
});
