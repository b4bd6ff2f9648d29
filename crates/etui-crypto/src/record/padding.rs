//! Sizes that tell little about what is inside.

/// Length of the padded plaintext of a record with a body of that length: powers of two from 512 bytes to 64 KiB,
/// above that Padmé, both over the body and its four length bytes.
pub(crate) fn padded_length(body: usize) -> usize {
    const SMALLEST: usize = 512;
    const LAST_STEP: usize = 64 << 10;
    let length = body + 4;
    if length <= LAST_STEP { length.next_power_of_two().max(SMALLEST) } else { padme(length) }
}

/// Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019,
/// algorithm 1): at most 12 % more, and as many sizes as a floating-point number with a mantissa no longer than its
/// exponent. Nothing stays nothing.
pub(crate) fn padme(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    let mantissa_bits = exponent.ilog2() + 1;
    let mask = (1_usize << (exponent - mantissa_bits)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_to_64_kib_then_padme() {
        let cases = [
            (0, 512),
            (508, 512),
            (509, 1024),
            (5000, 8192),
            (65_532, 65_536),
            (65_533, 67_584),
            (70_000, 71_680),
            ((1 << 20) - 4, 1 << 20),
        ];
        for (body, padded) in cases {
            assert_eq!(padded_length(body), padded, "body of {body}");
        }
    }

    #[test]
    fn padme_of_small_numbers() {
        assert_eq!([0, 1, 2, 3, 7, 8, 9, 10, 17].map(padme), [0, 1, 2, 3, 7, 8, 10, 10, 18]);
    }

    proptest! {
        #[test]
        fn padme_adds_at_most_an_eighth_and_is_stable(length in 0_usize..1 << 31) {
            let padded = padme(length);
            prop_assert!(padded >= length);
            prop_assert!(padded - length <= length / 8);
            prop_assert_eq!(padme(padded), padded);
        }

        #[test]
        fn padding_never_shrinks(body in 0_usize..1 << 21) {
            prop_assert!(padded_length(body) >= body + 4);
            prop_assert!(padded_length(body) <= padded_length(body + 1));
        }
    }
}
