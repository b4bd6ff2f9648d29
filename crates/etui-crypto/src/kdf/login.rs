//! The login password: who are you, never what can you read. Nothing of it leads to a key.

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use etui_chain::{Digest, Refusal, Refused};
use zeroize::Zeroizing;

use super::password::{MasterPassword, PasswordFault, check_length, normalized};
use crate::{
    primitive::{argon2id, derive},
    secret::Secret,
};

/// The fewest characters that a new login password may have.
const MIN_LOGIN_CHARACTERS: usize = 10;
const M_KIB: u32 = 19_456;
const T: u32 = 2;
const P: u32 = 1;

/// The password that signs in to one server: NFC, UTF-8, spaces at either end kept.
pub struct LoginPassword(Zeroizing<String>);

impl LoginPassword {
    /// Takes what was typed, of any length; the caller wipes its own copy.
    ///
    /// # Errors
    /// `format` if a code point is unassigned.
    pub fn new(typed: &str) -> Result<Self, Refused> {
        normalized(typed).map(Self)
    }
}

impl fmt::Debug for LoginPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginPassword([secret])")
    }
}

/// Checks a login password that is about to be chosen: at least 10 characters.
///
/// # Errors
/// What is wrong with it, for the person to read.
pub fn check_login_choice(password: &LoginPassword) -> Result<(), PasswordFault> {
    check_length(&password.0, MIN_LOGIN_CHARACTERS)
}

/// Refuses a login password that tells a server about the master password: one that equals it, contains it or is
/// contained in it, letter case and outer spaces aside.
///
/// # Errors
/// `password_reuse`.
pub fn check_password_reuse(login: &LoginPassword, master: &MasterPassword) -> Result<(), Refused> {
    let login = folded(&login.0);
    let master = folded(master.as_str());
    if login.contains(master.as_str()) || master.contains(login.as_str()) {
        return Err(
            Refusal::PasswordReuse.because("the login password and the master password are too alike")
        );
    }
    Ok(())
}

/// What a server sees in place of the login password. A password equivalent: as secret as the password itself.
pub struct LoginProof(Secret);

impl LoginProof {
    /// Derives it for one address. Takes a few tens of milliseconds and 19 MiB.
    ///
    /// # Errors
    /// `format` if the address has an unassigned code point; `limit` if the memory cannot be had.
    pub fn derive(email: &str, password: &LoginPassword) -> Result<Self, Refused> {
        let email = lower_trimmed_nfc(email)?;
        let salt = Digest::of(&[b"etui/v1/login\0", email.as_bytes()]);
        let stretched = argon2id(password.0.as_bytes(), salt.as_bytes(), M_KIB, T, P)?;
        Ok(Self(derive(b"", stretched.bytes(), &[b"etui/v1/login"])))
    }

    /// The form in which it is sent: base64url without padding, 43 characters.
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(self.0.bytes()))
    }
}

impl fmt::Debug for LoginProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginProof([secret])")
    }
}

/// `lower(NFC(trim(text)))`: Unicode `White_Space`, full default lower case, not normalised again.
fn lower_trimmed_nfc(text: &str) -> Result<String, Refused> {
    Ok(normalized(text.trim())?.to_lowercase())
}

fn folded(normalized: &str) -> Zeroizing<String> {
    Zeroizing::new(normalized.trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reuse(login: &str, master: &str) -> Option<Refusal> {
        let login = LoginPassword::new(login).unwrap();
        let master = MasterPassword::new(master).unwrap();
        check_password_reuse(&login, &master).err().map(|refused| refused.refusal)
    }

    #[test]
    fn equal_contained_and_containing_are_refused() {
        let master = "Correct Horse Zo\u{eb}";
        for login in [
            "Correct Horse Zo\u{eb}",
            " correct horse zoe\u{308}\n",
            "CORRECT HORSE ZO\u{cb}",
            "my correct horse zo\u{eb} for mail",
            "Horse",
            "",
            "   ",
        ] {
            assert_eq!(reuse(login, master), Some(Refusal::PasswordReuse), "{login:?}");
        }
        assert_eq!(reuse("a different password", master), None);
        assert_eq!(reuse("correct  horse zo\u{eb}", master), None);
    }

    #[test]
    fn the_proof_depends_on_address_and_password_alone() {
        let proof = |email, password| {
            LoginProof::derive(email, &LoginPassword::new(password).unwrap()).unwrap().to_base64url()
        };
        let ada = proof("ada@example.org", "a login password");
        assert_eq!(ada.len(), 43);
        assert_eq!(ada, proof("\u{a0}ADA@example.org\n", "a login password"));
        assert_ne!(ada, proof("ada@example.org", "A login password"));
        assert_ne!(ada, proof("bob@example.org", "a login password"));
    }

    #[test]
    fn a_login_password_has_at_least_ten_characters() {
        let choose = |typed| check_login_choice(&LoginPassword::new(typed).unwrap());
        assert_eq!(choose("zo\u{eb}"), Err(PasswordFault::Short { found: 3, least: 10 }));
        assert_eq!(choose("zo\u{eb}1234567"), Ok(()));
    }
}
