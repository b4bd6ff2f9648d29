//! Opaque secrets of 256 random bits: what a person or program shows once to go on with what was begun. Stored as a hash only,
//! which is enough for so many bits.

use data_encoding::BASE64URL_NOPAD;
use etui_api::session::Token;
use etui_chain::Digest;
use zeroize::Zeroizing;

const BYTES: usize = 32;

/// A new secret and the hash under which it is stored.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn draw() -> Result<(Token, Digest), getrandom::Error> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes)?;
    Ok((Token::new(BASE64URL_NOPAD.encode(&*bytes)), Digest::of(&[&*bytes])))
}

/// The hash of a secret that was shown; `None` for what cannot be one.
pub fn stored_hash(shown: &Token) -> Option<Digest> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(shown.expose().trim().as_bytes()).ok()?);
    (bytes.len() == BYTES).then(|| Digest::of(&[&bytes]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_found_again() {
        let (token, hash) = draw().unwrap();
        assert_eq!(stored_hash(&token), Some(hash));
        for wrong in ["", "abc", &"A".repeat(42), &"A".repeat(44)] {
            assert_eq!(stored_hash(&Token::new(wrong.to_owned())), None);
        }
    }
}
