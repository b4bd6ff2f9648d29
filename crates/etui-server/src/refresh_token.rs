//! Refresh tokens: opaque to clients, used once, stored only as a hash.
//!
//! A token is `session id 16 || secret 32 || tag 16` as base64url. The tag is a MAC of this server, so a token that is in no
//! row any more is still known as one that was issued for its session: whoever shows it ends that session, and no list of
//! spent tokens has to be kept. Nobody can make one up for a session whose id they have seen.
//!
//! The next secret is a MAC of the token that is exchanged and of the request's id. So the same request gets the same answer
//! again, on any node, and nothing of the new token has to be stored but its hash.

use data_encoding::BASE64URL_NOPAD;
use etui_api::session::Token;
use etui_chain::{Digest, Id};
use etui_store::SessionId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const ID_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const BYTES: usize = ID_BYTES + SECRET_BYTES + TAG_BYTES;
/// What programs before version 0.2 issued: a secret alone.
const OLD_BYTES: usize = 32;
/// Shorter ids of requests could be guessed, longer ones are nobody's.
const REQUEST_ID_CHARS: std::ops::RangeInclusive<usize> = 22..=128;

const TAG_LABEL: &[u8] = b"tag";
const NEXT_LABEL: &[u8] = b"next";

/// The first token of a session, and the hash under which it is stored.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn first(key: &[u8; 32], session_id: SessionId) -> Result<(Token, Digest), getrandom::Error> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *secret)?;
    Ok(assemble(key, session_id, &secret))
}

/// A token that was shown.
pub struct Presented {
    bytes: Zeroizing<Vec<u8>>,
    issued_for: Option<SessionId>,
}

impl Presented {
    /// `None` for what cannot be a token of this server.
    pub fn read(key: &[u8; 32], shown: &Token) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(shown.expose().as_bytes()).ok()?);
        match bytes.len() {
            OLD_BYTES => Some(Self { bytes, issued_for: None }),
            BYTES => {
                let (body, tag) = bytes.split_at(ID_BYTES + SECRET_BYTES);
                let mac = mac(key, &[TAG_LABEL, body]);
                mac.verify_truncated_left(tag).ok()?;
                let id = Id::new(body[..ID_BYTES].try_into().ok()?).ok()?;
                Some(Self { issued_for: Some(SessionId::new(id)), bytes })
            }
            _ => None,
        }
    }

    /// The hash under which it is stored.
    pub fn hash(&self) -> Digest {
        Digest::of(&[&self.bytes])
    }

    /// The session that it was issued for, where it says so.
    pub const fn issued_for(&self) -> Option<SessionId> {
        self.issued_for
    }

    /// What follows it: always the same for the same request, any other for a request without an id.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub fn next(
        &self,
        key: &[u8; 32],
        session_id: SessionId,
        request_id: Option<&Token>,
    ) -> Result<(Token, Digest), getrandom::Error> {
        let Some(request_id) = request_id else { return first(key, session_id) };
        let secret = Zeroizing::new(
            mac(key, &[NEXT_LABEL, &self.bytes, request_id.expose().as_bytes()])
                .finalize()
                .into_bytes()
                .into(),
        );
        Ok(assemble(key, session_id, &secret))
    }
}

/// The hash of a request's id; `None` for one that could be guessed.
pub fn request_hash(request_id: &Token) -> Option<Digest> {
    let text = request_id.expose();
    REQUEST_ID_CHARS.contains(&text.len()).then(|| Digest::of(&[text.as_bytes()]))
}

fn assemble(key: &[u8; 32], session_id: SessionId, secret: &[u8; SECRET_BYTES]) -> (Token, Digest) {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
    bytes.extend_from_slice(session_id.id().as_bytes());
    bytes.extend_from_slice(secret);
    let tag = mac(key, &[TAG_LABEL, &bytes]).finalize().into_bytes();
    bytes.extend_from_slice(&tag[..TAG_BYTES]);
    (Token::new(BASE64URL_NOPAD.encode(&bytes)), Digest::of(&[&bytes]))
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn session_id() -> SessionId {
        SessionId::new(Id::new([3; 16]).unwrap())
    }

    #[test]
    fn a_token_is_known_and_one_that_was_changed_is_none() {
        let (token, hash) = first(&KEY, session_id()).unwrap();
        let presented = Presented::read(&KEY, &token).unwrap();
        assert_eq!((presented.hash(), presented.issued_for()), (hash, Some(session_id())));
        assert!(Presented::read(&[8; 32], &token).is_none(), "of another server");
        let bytes = BASE64URL_NOPAD.decode(token.expose().as_bytes()).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(
                Presented::read(&KEY, &Token::new(BASE64URL_NOPAD.encode(&changed))).is_none(),
                "{index}"
            );
        }
        for wrong in ["", "abc", &"A".repeat(85), &"A".repeat(87)] {
            assert!(Presented::read(&KEY, &Token::new(wrong.to_owned())).is_none());
        }
    }

    #[test]
    fn the_same_request_gets_the_same_token_and_another_one_another() {
        let (token, _) = first(&KEY, session_id()).unwrap();
        let presented = Presented::read(&KEY, &token).unwrap();
        let request = |text: &str| Token::new(text.to_owned());
        let next = |request: Option<&Token>| presented.next(&KEY, session_id(), request).unwrap();
        let [one, two] = [request("one request of a device"), request("another request of a device")];
        assert_eq!(next(Some(&one)), next(Some(&one)));
        assert_ne!(next(Some(&one)), next(Some(&two)));
        assert_ne!(next(None), next(None));
        assert!(Presented::read(&KEY, &next(Some(&one)).0).is_some());
    }

    #[test]
    fn an_id_of_a_request_that_could_be_guessed_is_none() {
        assert!(request_hash(&Token::new("1".to_owned())).is_none());
        assert!(request_hash(&Token::new("A".repeat(22))).is_some());
        assert!(request_hash(&Token::new("A".repeat(129))).is_none());
    }
}
