//! The descriptor: the one file that is read before anything is proven. What is accepted can be
//! written and read again. Nothing is unlocked here, for that takes its time by design.

#![no_main]

use filbert::format::descriptor::Descriptor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(descriptor) = Descriptor::from_bytes(bytes) {
        let written = descriptor.to_bytes().expect("what was JSON can be JSON");
        assert_eq!(Descriptor::from_bytes(&written).as_ref(), Ok(&descriptor));
        assert!(descriptor.chunker.check().is_ok());
    }
});
