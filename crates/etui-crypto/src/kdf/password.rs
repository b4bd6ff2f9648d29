//! The master password, and which one may be chosen.

use core::fmt;

use etui_chain::{Refusal, Refused};
use unicode_normalization::{UnicodeNormalization as _, char::is_public_assigned};
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

/// The fewest characters that a new master password may have.
const MIN_MASTER_CHARACTERS: usize = 12;

/// MPW: NFC, UTF-8, spaces at either end kept.
pub struct MasterPassword(Zeroizing<String>);

impl MasterPassword {
    /// Takes what was typed, of any length; the caller wipes its own copy.
    ///
    /// # Errors
    /// `format` if a code point is unassigned: another device's Unicode tables could normalise it differently.
    pub fn new(typed: &str) -> Result<Self, Refused> {
        normalized(typed).map(Self)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MasterPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterPassword([secret])")
    }
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Fewer characters than asked for.
    #[error("the password has {found} characters; it needs at least {least}")]
    Short {
        /// How many it has.
        found: usize,
        /// How many it needs.
        least: usize,
    },
    /// Long enough, and still among the first that would be tried.
    #[error("the password would be guessed too soon; several unrelated words make a good one")]
    Guessable,
}

/// Checks a master password that is about to be chosen: at least 12 characters and a zxcvbn score of at least 3.
/// `known` are words that a guesser would try first: the e-mail address, the person's name.
///
/// # Errors
/// What is wrong with it, for the person to read.
pub fn check_master_choice(password: &MasterPassword, known: &[&str]) -> Result<(), PasswordFault> {
    check_length(password.as_str(), MIN_MASTER_CHARACTERS)?;
    if zxcvbn(password.as_str(), known).score() < Score::Three {
        return Err(PasswordFault::Guessable);
    }
    Ok(())
}

/// Counts code points after normalisation.
pub(super) fn check_length(password: &str, least: usize) -> Result<(), PasswordFault> {
    let found = password.chars().count();
    if found < least { Err(PasswordFault::Short { found, least }) } else { Ok(()) }
}

/// NFC in memory that is never moved: no character grows beyond three times its bytes (UAX #15).
pub(super) fn normalized(typed: &str) -> Result<Zeroizing<String>, Refused> {
    if !typed.chars().all(is_assigned) {
        return Err(Refusal::Format.because("a code point that Unicode has not assigned"));
    }
    let mut text = Zeroizing::new(String::with_capacity(typed.len() * 3));
    text.extend(typed.nfc());
    Ok(text)
}

/// Private use is stable under normalisation and stands on some keyboards.
fn is_assigned(character: char) -> bool {
    const PRIVATE_USE: [core::ops::RangeInclusive<char>; 3] =
        ['\u{e000}'..='\u{f8ff}', '\u{f0000}'..='\u{ffffd}', '\u{100000}'..='\u{10fffd}'];
    is_public_assigned(character) || PRIVATE_USE.iter().any(|range| range.contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(typed: &str) -> Vec<u8> {
        MasterPassword::new(typed).unwrap().as_bytes().to_vec()
    }

    #[test]
    fn both_ways_of_typing_an_accent_are_one_password() {
        assert_eq!(bytes("Zoe\u{308}"), bytes("Zo\u{eb}"));
        assert_eq!(bytes("Zo\u{eb}"), "Zo\u{eb}".as_bytes());
    }

    #[test]
    fn spaces_and_case_count() {
        assert_eq!(bytes(" a B "), b" a B ");
        assert_ne!(bytes("a"), bytes("A"));
    }

    #[test]
    fn unassigned_code_points_are_refused() {
        for typed in ["pass\u{378}", "\u{fdd0}", "\u{ffff}", "\u{e0fff}"] {
            assert_eq!(MasterPassword::new(typed).unwrap_err().refusal, Refusal::Format, "{typed:?}");
        }
        assert!(MasterPassword::new("\u{f8ff} apple").is_ok());
        assert!(MasterPassword::new("tab\tand \u{1f511}").is_ok());
    }

    #[test]
    fn what_may_be_chosen() {
        let choose = |typed| check_master_choice(&MasterPassword::new(typed).unwrap(), &["ada@example.org"]);
        assert_eq!(choose("short"), Err(PasswordFault::Short { found: 5, least: 12 }));
        assert_eq!(choose("zo\u{eb}zo\u{eb}zo\u{eb}zo"), Err(PasswordFault::Short { found: 11, least: 12 }));
        assert_eq!(choose("password1234"), Err(PasswordFault::Guessable));
        assert_eq!(choose("aaaaaaaaaaaaaaaaaaaa"), Err(PasswordFault::Guessable));
        assert_eq!(choose("correct horse battery staple"), Ok(()));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", MasterPassword::new("hunter2").unwrap()), "MasterPassword([secret])");
    }
}
