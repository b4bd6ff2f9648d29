//! Invitations: the secret with which an account may be made where not everybody may.

use etui_api::{ErrorCode, server::SignUpMode, session::Token};

use crate::{ClientError, api::Api};

/// The secret of an invitation, which counts once.
pub struct Invitation(Token);

impl Invitation {
    /// Reads what somebody was given: the whole link, or what stands in it behind `#`.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        Self(Token::new(text.rsplit_once('#').map_or(text, |(_, secret)| secret).to_owned()))
    }

    pub(crate) fn into_token(self) -> Token {
        self.0
    }
}

/// Asks the server before anything is derived or sent: where it takes nobody without an invitation, one is needed.
///
/// # Errors
/// [`ClientError::NeedsInvitation`].
pub(crate) async fn require(api: &Api, invitation: Option<&Invitation>) -> Result<(), ClientError> {
    if invitation.is_some() {
        return Ok(());
    }
    match api.server_info().await {
        Ok(info) if info.sign_up == SignUpMode::Invite => Err(ClientError::NeedsInvitation),
        Ok(_) => Ok(()),
        // A server of an older version does not say: it will answer for itself.
        Err(ClientError::Server(problem)) if problem.code == ErrorCode::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_its_secret_say_the_same() {
        for text in ["https://etui.example.org/invitation#c2VjcmV0", " c2VjcmV0\n"] {
            assert_eq!(Invitation::read(text).into_token().expose(), "c2VjcmV0");
        }
    }
}
