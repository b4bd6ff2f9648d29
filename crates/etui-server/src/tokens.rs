//! Access tokens: signed, short-lived, and never enough alone.
//!
//! A token is a JWT of the profile of RFC 9068 (`typ: at+jwt`, EdDSA). It says which session speaks; whether that
//! session still lives is looked up for every request, so a session that was ended is ended at once.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use etui_api::session::Token;
use etui_chain::{AccountId, Id};
use etui_store::SessionId;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind, jwk::Jwk};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::durable;

/// How long an access token lives, in seconds.
pub const LIFETIME_S: u32 = 600;

/// The token's type (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "etui-api";
/// How far the clocks of two nodes may be apart, in seconds.
const LEEWAY_S: u64 = 5;
/// Longer than any token of ours: refused before it is hashed or decoded.
const MAX_TOKEN_BYTES: usize = 1024;
const MAX_CACHED: usize = 8192;
/// Sets the key of refresh tokens apart from the one that signs.
const REFRESH_LABEL: &[u8] = b"etui/v1/refresh-token\0";
/// PKCS#8 for Ed25519 (RFC 8410 §7): everything in front of the seed.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const PKCS8_BYTES: usize = PKCS8_PREFIX.len() + 32;

/// Issues and verifies access tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    validation: Validation,
    issuer: String,
    verified: Mutex<HashMap<[u8; 32], Verified>>,
    /// Makes refresh tokens that only this server can have made.
    refresh_key: Zeroizing<[u8; 32]>,
}

/// What a genuine token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The account that the session belongs to.
    pub account_id: AccountId,
    /// The session.
    pub session_id: SessionId,
    /// What the token is for.
    pub scope: Scope,
}

/// What a token is for. No token is for two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The holder's own things.
    Account,
    /// Administration.
    Admin,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was genuine and its time is over.
    #[error("the access token has expired")]
    Expired,
    /// It is not one that this server issued, or its time has not come.
    #[error("the access token is not one that this server issued")]
    NotOurs,
}

/// Why the signing key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The file system refused.
    #[error("could not {doing} the token key {}", path.display())]
    File {
        /// What was being done: "read" or "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is not an Ed25519 key in PKCS#8 form; remove the file to have a new one made (everyone signs in again)", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("could not draw random bytes for the token key")]
    Random(#[source] getrandom::Error),
}

impl Tokens {
    /// With the key in `path`, which is made there, readable by its owner alone, if the file does not exist.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn open(path: &Path) -> Result<Self, SigningKeyError> {
        let not_a_key = || SigningKeyError::NotAKey { path: path.to_owned() };
        let pkcs8 = read_or_make_key(path)?;
        let well_formed = pkcs8.len() == PKCS8_BYTES && pkcs8.starts_with(&PKCS8_PREFIX);
        if !well_formed {
            return Err(not_a_key());
        }
        let encoding = EncodingKey::from_ed_der(&pkcs8);
        let public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(|_| not_a_key())?;
        let decoding = DecodingKey::from_jwk(&public).map_err(|_| not_a_key())?;
        let fingerprint = Sha256::digest(decoding.try_get_as_bytes().map_err(|_| not_a_key())?);
        let issuer = format!("etui:{}", data_encoding::HEXLOWER.encode(&fingerprint[..16]));
        let validation = validation(&issuer);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        let refresh_key =
            Zeroizing::new(Sha256::new().chain_update(REFRESH_LABEL).chain_update(&pkcs8).finalize().into());
        Ok(Self { encoding, decoding, header, validation, issuer, verified: Mutex::default(), refresh_key })
    }

    /// The key of refresh tokens ([`crate::refresh_token`]).
    pub(crate) fn refresh_key(&self) -> &[u8; 32] {
        &self.refresh_key
    }

    /// Another secret of this server, the same on every node; the label says what for.
    pub(crate) fn derive(&self, label: &[u8]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Sha256::new().chain_update(label).chain_update(*self.refresh_key).finalize().into())
    }

    /// A token for the session, valid for [`LIFETIME_S`] from `now_s` (seconds since 1970).
    pub fn issue(&self, bearer: Bearer, now_s: u64) -> Token {
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: bearer.account_id,
            sid: bearer.session_id.id(),
            scope: bearer.scope,
            iat: now_s,
            nbf: now_s,
            exp: now_s + u64::from(LIFETIME_S),
        };
        let text = jsonwebtoken::encode(&self.header, &claims, &self.encoding);
        Token::new(text.expect("plain claims encode and a key that was read signs"))
    }

    /// Who speaks, at `now_s` (seconds since 1970). A token seen before costs no signature check; its time is
    /// checked always.
    ///
    /// # Errors
    /// [`TokenError`]; a forged token is never called expired.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Bearer, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::NotOurs);
        }
        let key: [u8; 32] = Sha256::digest(token).into();
        let known = self.cache().get(&key).copied();
        let verified = match known {
            Some(verified) => verified,
            None => self.verify_signed(token)?,
        };
        verified.check_time(now_s)?;
        if known.is_none() {
            self.remember(key, verified, now_s);
        }
        Ok(verified.bearer)
    }

    /// Signature, type and claims; not the time.
    fn verify_signed(&self, token: &str) -> Result<Verified, TokenError> {
        let data =
            jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|error| {
                match error.kind() {
                    ErrorKind::ExpiredSignature => TokenError::Expired,
                    _ => TokenError::NotOurs,
                }
            })?;
        if data.header.typ.as_deref() != Some(TYPE) || data.header.crit.is_some() {
            return Err(TokenError::NotOurs);
        }
        let Claims { sub, sid, scope, iat, nbf, exp, .. } = data.claims;
        let lifetime = exp.checked_sub(iat).ok_or(TokenError::NotOurs)?;
        if nbf != iat || lifetime > u64::from(LIFETIME_S) {
            return Err(TokenError::NotOurs);
        }
        Ok(Verified { bearer: Bearer { account_id: sub, session_id: SessionId::new(sid), scope }, nbf, exp })
    }

    fn remember(&self, key: [u8; 32], verified: Verified, now_s: u64) {
        let mut cache = self.cache();
        if cache.len() >= MAX_CACHED {
            cache.retain(|_, verified| verified.exp > now_s);
        }
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(key, verified);
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Verified>> {
        self.verified.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Every member is required, and none is taken in another type.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    sid: Id,
    scope: Scope,
    iat: u64,
    nbf: u64,
    exp: u64,
}

#[derive(Clone, Copy)]
struct Verified {
    bearer: Bearer,
    nbf: u64,
    exp: u64,
}

impl Verified {
    fn check_time(&self, now_s: u64) -> Result<(), TokenError> {
        // Of another time than now: a clock that was ahead has been set right. A new token is all that the device needs.
        if now_s >= self.exp || now_s + LEEWAY_S < self.nbf {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

/// The times are checked by [`Verified::check_time`], so that it happens in one place for old and new tokens.
fn validation(issuer: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

fn read_or_make_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, SigningKeyError> {
    let failed = |doing| move |source| SigningKeyError::File { doing, path: path.to_owned(), source };
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read.map(Zeroizing::new).map_err(failed("read")),
    }
    let mut pkcs8 = Zeroizing::new(vec![0; PKCS8_BYTES]);
    pkcs8[..PKCS8_PREFIX.len()].copy_from_slice(&PKCS8_PREFIX);
    getrandom::fill(&mut pkcs8[PKCS8_PREFIX.len()..]).map_err(SigningKeyError::Random)?;
    match durable::write_private(path, &pkcs8) {
        // Another node was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read(path).map(Zeroizing::new).map_err(failed("read"))
        }
        written => written.map(|()| pkcs8).map_err(failed("write")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_800_000_000;

    fn tokens() -> (tempfile::TempDir, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&folder.path().join("token.key")).unwrap();
        (folder, tokens)
    }

    fn bearer() -> Bearer {
        Bearer {
            account_id: AccountId::new([1; 16]).unwrap(),
            session_id: SessionId::new(Id::new([2; 16]).unwrap()),
            scope: Scope::Account,
        }
    }

    #[test]
    fn a_token_lives_for_its_time_and_no_longer() {
        let (_folder, tokens) = tokens();
        let token = tokens.issue(bearer(), NOW_S);
        let last = NOW_S + u64::from(LIFETIME_S) - 1;
        for now_s in [NOW_S, NOW_S, last, NOW_S - LEEWAY_S] {
            assert_eq!(tokens.verify(token.expose(), now_s), Ok(bearer()));
        }
        assert_eq!(tokens.verify(token.expose(), last + 1), Err(TokenError::Expired), "though it is cached");
        assert_eq!(tokens.verify(token.expose(), NOW_S - LEEWAY_S - 1), Err(TokenError::Expired));
    }

    #[test]
    fn the_key_outlives_the_process_and_another_key_is_another_server() {
        let (folder, first) = tokens();
        let token = first.issue(bearer(), NOW_S);
        let again = Tokens::open(&folder.path().join("token.key")).unwrap();
        assert_eq!(again.verify(token.expose(), NOW_S), Ok(bearer()));
        let (_other_folder, other) = tokens();
        assert_eq!(other.verify(token.expose(), NOW_S), Err(TokenError::NotOurs));
    }

    #[test]
    fn nodes_that_start_at_once_share_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        let open = || Tokens::open(&path).unwrap().issuer;
        let issuers = std::thread::scope(|scope| {
            let nodes: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            nodes.into_iter().map(|node| node.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(issuers.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn only_this_algorithm_type_and_these_claims_are_taken() {
        let (_folder, tokens) = tokens();
        let claims = serde_json::json!({
            "iss": tokens.issuer, "aud": AUDIENCE, "sub": bearer().account_id, "sid": bearer().session_id.id(), "scope": "account",
            "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 60,
        });
        let sign = |claims: &serde_json::Value, header: &Header| {
            jsonwebtoken::encode(header, claims, &tokens.encoding).unwrap()
        };
        assert_eq!(tokens.verify(&sign(&claims, &tokens.header), NOW_S), Ok(bearer()));

        let changed = |name: &str, value: serde_json::Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            sign(&claims, &tokens.header)
        };
        let without = |name: &str| {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(name);
            sign(&claims, &tokens.header)
        };
        let mut wrong = vec![
            changed("exp", format!("{}", NOW_S + 60).into()),
            changed("exp", (NOW_S + 60 * 60).into()),
            changed("exp", 1_800_000_060.5.into()),
            changed("nbf", (NOW_S + 1).into()),
            changed("iss", "another".into()),
            changed("aud", "another".into()),
            changed("aud", serde_json::json!([AUDIENCE])),
            changed("sub", "0".repeat(32).into()),
            changed("sid", 7.into()),
        ];
        wrong.extend(["iss", "aud", "sub", "sid", "iat", "nbf", "exp"].map(without));
        let mut header = tokens.header.clone();
        header.typ = Some("JWT".to_owned());
        wrong.push(sign(&claims, &header));
        let shared = EncodingKey::from_secret(tokens.decoding.try_get_as_bytes().unwrap());
        wrong.push(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &shared).unwrap());
        let genuine = sign(&claims, &tokens.header);
        let (_, body) = genuine.split_once('.').unwrap();
        let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"at+jwt"}"#);
        wrong.push(format!("{none}.{body}"));
        wrong.push(format!("{none}.{}.", body.split_once('.').unwrap().0));
        wrong.extend([String::new(), "..".to_owned(), "a".repeat(5000)]);
        for token in wrong {
            assert_eq!(tokens.verify(&token, NOW_S), Err(TokenError::NotOurs), "{token}");
        }
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        fs::write(&path, b"something else").unwrap();
        assert!(matches!(Tokens::open(&path), Err(SigningKeyError::NotAKey { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }
}
