//! Padmé: sizes are rounded up so that they tell at most O(log log size) bits, at no more than
//! 12 % and usually 1 to 2 % of overhead (Nikitin et al., "Reducing Metadata Leakage from
//! Encrypted Files and Communication with PURBs", PoPETs 2019).

/// The padded size for `size` bytes.
pub fn padme(size: u64) -> u64 {
    if size < 2 {
        return size;
    }
    let exponent = size.ilog2();
    let kept_bits = exponent.ilog2() + 1;
    let mask = (1u64 << exponent.saturating_sub(kept_bits)) - 1;
    size.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_sizes() {
        assert_eq!(padme(9), 10);
        assert_eq!(padme(1000), 1024);
        assert_eq!(padme(16 << 20), 16 << 20);
        assert_eq!(padme((16 << 20) + 1), (16 << 20) + (512 << 10));
    }

    proptest! {
        #[test]
        fn padding_never_shrinks_and_stays_within_its_bound(size in 2u64..1 << 40) {
            let padded = padme(size);
            prop_assert!(padded >= size);
            prop_assert!((padded - size) as f64 <= 0.12 * size as f64);
            prop_assert_eq!(padme(padded), padded);
        }
    }
}
