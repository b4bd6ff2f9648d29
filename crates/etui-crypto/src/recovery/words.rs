//! 32 bytes as 24 words (BIP-39, English list): 11 bits a word, the last 8 bits a checksum.

use etui_chain::Digest;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::KitError;

/// The list of BIP-39, sorted, one word a line.
const LIST: &str = include_str!("english.txt");
const WORDS: usize = 24;
const BITS_PER_WORD: usize = 11;
const LONGEST_WORD: usize = 8;

/// Writes a secret as 24 words with single spaces between them.
pub fn secret_to_words(secret: &[u8; 32]) -> Zeroizing<String> {
    let list: Vec<&str> = LIST.lines().collect();
    let bits = with_checksum(secret);
    let mut text = Zeroizing::new(String::with_capacity(WORDS * (LONGEST_WORD + 1)));
    for word in 0..WORDS {
        if word > 0 {
            text.push(' ');
        }
        text.push_str(list[index_at(&bits, word)]);
    }
    text
}

/// Reads 24 words with any white space around them, letter case ignored.
///
/// # Errors
/// [`KitError::WordCount`], [`KitError::UnknownWord`] or [`KitError::Checksum`], in that order.
pub fn secret_from_words(typed: &str) -> Result<Zeroizing<[u8; 32]>, KitError> {
    let found = typed.split_whitespace().count();
    if found != WORDS {
        return Err(KitError::WordCount { found });
    }
    let list: Vec<&str> = LIST.lines().collect();
    let mut bits = Zeroizing::new([0; 33]);
    for (position, word) in typed.split_whitespace().enumerate() {
        let word = Zeroizing::new(word.to_ascii_lowercase());
        let index = list
            .binary_search(&word.as_str())
            .map_err(|_| KitError::UnknownWord { position: position + 1 })?;
        set_index_at(&mut bits, position, index);
    }
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(&bits[..32]);
    if !bool::from(with_checksum(&secret).ct_eq(bits.as_ref())) {
        return Err(KitError::Checksum);
    }
    Ok(secret)
}

/// The secret and the first byte of its hash: 264 bits, 24 times 11.
fn with_checksum(secret: &[u8; 32]) -> Zeroizing<[u8; 33]> {
    let mut bits = Zeroizing::new([0; 33]);
    bits[..32].copy_from_slice(secret);
    bits[32] = Digest::of(&[secret]).as_bytes()[0];
    bits
}

fn index_at(bits: &[u8; 33], word: usize) -> usize {
    places(word).fold(0, |index, (byte, shift)| index << 1 | usize::from(bits[byte] >> shift & 1))
}

fn set_index_at(bits: &mut [u8; 33], word: usize, index: usize) {
    for (step, (byte, shift)) in places(word).enumerate() {
        bits[byte] |= u8::from(index >> (BITS_PER_WORD - 1 - step) & 1 == 1) << shift;
    }
}

/// Byte and shift of each bit of a word, most significant first.
fn places(word: usize) -> impl Iterator<Item = (usize, usize)> {
    (word * BITS_PER_WORD..(word + 1) * BITS_PER_WORD).map(|bit| (bit / 8, 7 - bit % 8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_is_the_published_one() {
        let digest = Digest::of(&[LIST.as_bytes()]).to_string();
        assert_eq!(digest, "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda");
        assert!(LIST.lines().is_sorted());
        assert_eq!(LIST.lines().count(), 2048);
    }

    #[test]
    fn known_answers_of_bip_39() {
        assert_eq!(*secret_to_words(&[0; 32]), format!("{}art", "abandon ".repeat(23)));
        assert_eq!(*secret_to_words(&[0xff; 32]), format!("{}vote", "zoo ".repeat(23)));
        assert_eq!(
            *secret_to_words(&[0x7f; 32]),
            format!(
                "{}title",
                "legal winner thank year wave sausage worth useful ".repeat(2)
                    + "legal winner thank year wave sausage worth "
            )
        );
    }

    #[test]
    fn what_was_misread_is_said() {
        let words = secret_to_words(&[7; 32]);
        let one_less = words.rsplit_once(' ').unwrap().0;
        assert_eq!(secret_from_words(one_less), Err(KitError::WordCount { found: 23 }));
        assert_eq!(
            secret_from_words(&format!("{one_less} etui")),
            Err(KitError::UnknownWord { position: 24 })
        );
        let other = if words.ends_with("zoo") { "abandon" } else { "zoo" };
        assert_eq!(secret_from_words(&format!("{one_less} {other}")), Err(KitError::Checksum));
    }

    proptest! {
        #[test]
        fn words_lead_back(secret: [u8; 32]) {
            let words = secret_to_words(&secret);
            prop_assert_eq!(*secret_from_words(&words).unwrap(), secret);
            let typed = format!("\n {}\t", words.to_uppercase().replace(' ', "  \n"));
            prop_assert_eq!(*secret_from_words(&typed).unwrap(), secret);
        }
    }
}
