//! What a person shows beside the first thing, where the account asks for it.

use etui_api::session::{Factor, Token};

use crate::{Ask, Wanted};

/// A second factor: given beforehand, or asked for once the server wants it.
pub enum SecondFactor {
    /// What was typed: a code of an authenticator app, or one of those for when that is lost. Which of them it is, its form
    /// tells.
    Code(Token),
    /// The person is asked, and again if the code was not right.
    Ask(Ask),
}

/// What an authenticator app shows.
const TOTP_DIGITS: usize = 6;

impl SecondFactor {
    /// Takes what was typed.
    pub fn typed(text: &str) -> Self {
        Self::Code(Token::new(text.trim().to_owned()))
    }

    /// As the server is told; nothing if there is none, or no other one after a wrong one.
    pub(crate) async fn factor(&self, again: bool) -> Option<Factor> {
        match self {
            Self::Code(_) if again => None,
            Self::Code(code) => Some(factor(code.clone())),
            Self::Ask(ask) => {
                let typed = ask(Wanted::SecondFactor { again }).await?;
                Some(factor(Token::new(typed.trim().to_owned())))
            }
        }
    }
}

fn factor(code: Token) -> Factor {
    let typed = code.expose();
    let digits = typed.chars().filter(char::is_ascii_digit).count();
    let is_totp = digits == TOTP_DIGITS && typed.chars().all(|it| it.is_ascii_digit() || it == ' ');
    if is_totp { Factor::Totp(code) } else { Factor::RecoveryCode(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_an_apps_and_all_else_is_a_recovery_code() {
        let factor = |typed: &str| factor(Token::new(typed.to_owned()));
        for typed in ["123456", "123 456"] {
            assert!(matches!(factor(typed), Factor::Totp(_)), "{typed}");
        }
        for typed in ["abcd-efgh-2345-7654", "12345", "1234567", ""] {
            assert!(matches!(factor(typed), Factor::RecoveryCode(_)), "{typed}");
        }
    }
}
