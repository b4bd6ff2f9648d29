//! What is kept of a session between two runs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use etui_api::session::Token;
use etui_crypto::RandomSource as _;
use zeroize::Zeroizing;

use crate::OsRandom;

/// A refresh token and the id of the request that will exchange it. They are kept together and before the request is sent:
/// if its answer is lost, even by the death of this process, the same request gets it again.
#[derive(Clone)]
pub(crate) struct KeptSession {
    pub(crate) refresh_token: Token,
    pub(crate) request_id: Token,
}

impl KeptSession {
    pub(crate) fn new(refresh_token: Token) -> Self {
        let mut random = Zeroizing::new([0; 16]);
        OsRandom.fill(&mut *random);
        let request_id = Token::new(URL_SAFE_NO_PAD.encode(*random));
        Self { refresh_token, request_id }
    }

    /// As the local store has it: a line each.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let lines = [self.refresh_token.expose(), self.request_id.expose()].join("\n");
        Zeroizing::new(lines.into_bytes())
    }

    /// A store of before has the token alone.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        match text.split_once('\n') {
            None => Some(Self::new(Token::new(text.to_owned()))),
            Some((token, request_id)) => Some(Self {
                refresh_token: Token::new(token.to_owned()),
                request_id: Token::new(request_id.to_owned()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again() {
        let kept = KeptSession::new(Token::new("a token".to_owned()));
        let found = KeptSession::from_bytes(&kept.to_bytes()).unwrap();
        assert_eq!(found.refresh_token, kept.refresh_token);
        assert_eq!(found.request_id, kept.request_id);
        assert_eq!(KeptSession::from_bytes(b"of before").unwrap().refresh_token.expose(), "of before");
    }
}
