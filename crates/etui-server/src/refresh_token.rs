//! Refresh tokens: random, used once, stored only as a hash.

use data_encoding::BASE64URL_NOPAD;
use etui_api::session::Token;
use etui_chain::Digest;
use zeroize::Zeroizing;

const BYTES: usize = 32;

/// A new refresh token and the hash under which it is stored.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn draw() -> Result<(Token, Digest), getrandom::Error> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    getrandom::fill(&mut *bytes)?;
    Ok((Token::new(BASE64URL_NOPAD.encode(&*bytes)), Digest::of(&[&*bytes])))
}

/// The hash of a token that was presented; `None` for what cannot be one. The token has 256 bits of its own, so a
/// plain hash is enough.
pub fn stored_hash(presented: &Token) -> Option<Digest> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(presented.expose().as_bytes()).ok()?);
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
