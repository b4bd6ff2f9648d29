//! What a person shows beside the login password, where the account asks for it.

use etui_api::session::{Factor, Token};

/// A code: of an authenticator app, or one of those for when that is lost. Which of them it is, its form tells.
#[derive(Debug)]
pub struct SecondFactor(Token);

/// What an authenticator app shows.
const TOTP_DIGITS: usize = 6;

impl SecondFactor {
    /// Takes what was typed.
    pub fn new(typed: &str) -> Self {
        Self(Token::new(typed.trim().to_owned()))
    }

    /// As the server is told.
    pub(crate) fn factor(&self) -> Factor {
        let typed = self.0.expose();
        let digits = typed.chars().filter(char::is_ascii_digit).count();
        let is_totp = digits == TOTP_DIGITS && typed.chars().all(|it| it.is_ascii_digit() || it == ' ');
        let code = self.0.clone();
        if is_totp { Factor::Totp(code) } else { Factor::RecoveryCode(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_an_apps_and_all_else_is_a_recovery_code() {
        for typed in ["123456", " 123 456\n"] {
            assert!(matches!(SecondFactor::new(typed).factor(), Factor::Totp(_)), "{typed}");
        }
        for typed in ["abcd-efgh-2345-7654", "12345", "1234567", ""] {
            assert!(matches!(SecondFactor::new(typed).factor(), Factor::RecoveryCode(_)), "{typed}");
        }
    }
}
