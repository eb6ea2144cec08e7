//! Room for the bytes of an object.

/// glibc keeps what is freed of up to so many bytes for the thread that took it, and objects are
/// read on one thread after the other; what is larger goes back to the system at once.
const KEPT_BYTES: u64 = 32 << 20;
const LONG_BYTES: u64 = 4 << 20;

/// The room to take for an object of so many bytes. What is not written to takes no memory.
pub(super) fn room(bytes: u64) -> usize {
    let room = if bytes < LONG_BYTES { bytes } else { bytes.max(KEPT_BYTES + 1) };
    usize::try_from(room).unwrap_or(usize::MAX)
}
