//! Codes that people type: short, without vowels and what looks alike, valid for minutes, with few tries (RFC 8628,
//! section 6.1). So few bits are stored under a keyed hash.

use etui_chain::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;
const LABEL: &[u8] = b"user code";

/// A new code, as it is shown.
///
/// # Errors
/// The operating system gave no random bytes.
pub(crate) fn draw() -> Result<String, getrandom::Error> {
    let mut code = String::with_capacity(LENGTH + 1);
    while code.len() < LENGTH + 1 {
        if code.len() == LENGTH / 2 {
            code.push('-');
        }
        code.push(letter()?);
    }
    Ok(code)
}

/// The hash under which it is stored, however it was typed; `None` for what cannot be one.
pub(crate) fn stored_hash(key: &[u8; 32], typed: &str) -> Option<Digest> {
    let letters: Vec<u8> =
        typed.bytes().map(|it| it.to_ascii_uppercase()).filter(u8::is_ascii_alphabetic).collect();
    if letters.len() != LENGTH || !letters.iter().all(|letter| LETTERS.contains(letter)) {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(LABEL);
    mac.update(&letters);
    Some(Digest::new(mac.finalize().into_bytes().into()))
}

/// Each as likely as any other.
fn letter() -> Result<char, getrandom::Error> {
    loop {
        let mut byte = [0];
        getrandom::fill(&mut byte)?;
        let index = usize::from(byte[0]);
        if index < 256 - 256 % LETTERS.len() {
            return Ok(char::from(LETTERS[index % LETTERS.len()]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        let code = draw().unwrap();
        assert_eq!(code.len(), 9, "{code}");
        let hash = stored_hash(&KEY, &code).unwrap();
        let typed = format!(" {} ", code.replace('-', " ").to_lowercase());
        assert_eq!(stored_hash(&KEY, &typed), Some(hash));
        assert_ne!(stored_hash(&[8; 32], &code), Some(hash), "of another server");
        assert_ne!(draw().unwrap(), code);
    }

    #[test]
    fn what_cannot_be_a_code_is_none() {
        for wrong in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "1234-5678"] {
            assert_eq!(stored_hash(&KEY, wrong), None, "{wrong}");
        }
    }
}
