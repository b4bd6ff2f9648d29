//! The one form in which an e-mail address is compared.

use unicode_normalization::UnicodeNormalization;

use crate::limits::MAX_EMAIL_BYTES;

/// `lower(NFC(trim(address)))` (`spec/crypto.md`, "Login password"): the form that names an account on a server and
/// salts its login proof. `None` for what cannot be an address: no `@` with something on both sides, white space or
/// control characters inside, or more than [`MAX_EMAIL_BYTES`].
pub fn normalize_email(address: &str) -> Option<String> {
    let normal = address.trim().nfc().collect::<String>().to_lowercase();
    let (local, domain) = normal.rsplit_once('@')?;
    let plausible = !local.is_empty()
        && !domain.is_empty()
        && normal.len() <= MAX_EMAIL_BYTES
        && !normal.chars().any(|character| character.is_whitespace() || character.is_control());
    plausible.then_some(normal)
}

#[cfg(test)]
mod tests {
    use super::normalize_email;

    #[test]
    fn case_white_space_and_composition_do_not_matter() {
        assert_eq!(normalize_email("  Ada@Example.ORG\n").as_deref(), Some("ada@example.org"));
        assert_eq!(normalize_email("zoe\u{308}@example.org").as_deref(), Some("zo\u{eb}@example.org"));
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for wrong in ["", "ada", "@example.org", "ada@", "a da@example.org", "a\0@example.org"] {
            assert_eq!(normalize_email(wrong), None, "{wrong:?}");
        }
        assert_eq!(normalize_email(&format!("{}@example.org", "a".repeat(250))), None);
    }
}
