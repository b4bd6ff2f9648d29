//! Access tokens: signed, short-lived, and never enough alone.
//!
//! A token is a JWT of the profile of RFC 9068 (`typ: at+jwt`, EdDSA). It says which session speaks; whether that
//! session still lives is looked up for every request, so a session that was ended is ended at once.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use etui_api::session::Token;
use etui_chain::{AccountId, Id};
use etui_store::SessionId;
use jsonwebtoken::{Algorithm, Header, Validation, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    log::{self, Cause},
    token_keys::{TokenKeys, TokenKeysError},
};

/// How long an access token lives, in seconds.
pub const LIFETIME_S: u32 = 600;

/// The token's type (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
const AUDIENCE: &str = "etui-api";
/// How far the clocks of two machines may be apart, in seconds.
pub(crate) const LEEWAY_S: u64 = 5;
/// Longer than any token of ours: refused before it is hashed or decoded.
const MAX_TOKEN_BYTES: usize = 1024;
const MAX_CACHED: usize = 8192;
/// How often the file of the keys is looked at, in seconds: far more often than a new key takes until it signs.
const LOOK_EVERY_S: u64 = 10;

/// Issues and verifies access tokens.
pub struct Tokens {
    path: PathBuf,
    held: Mutex<Held>,
}

/// The keys, and what was verified with them.
struct Held {
    keys: Arc<TokenKeys>,
    /// The file as it was when it was read.
    read: Option<Stamp>,
    /// When it was looked at, in seconds since 1970.
    looked_s: u64,
    verified: HashMap<[u8; 32], Verified>,
}

/// By which another file is known.
#[derive(PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: SystemTime,
    bytes: u64,
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

impl Tokens {
    /// With the keys in `path`; a first one is made there, readable by its owner alone, if the file does not exist.
    ///
    /// # Errors
    /// [`TokenKeysError`].
    pub fn open(path: &Path) -> Result<Self, TokenKeysError> {
        let keys = TokenKeys::open(path)?;
        let held =
            Held { keys: Arc::new(keys), read: Stamp::of(path), looked_s: 0, verified: HashMap::new() };
        Ok(Self { path: path.to_owned(), held: Mutex::new(held) })
    }

    /// The keys as they are now, for whatever else they are for.
    pub(crate) fn keys(&self, now_s: u64) -> Arc<TokenKeys> {
        Arc::clone(&self.held(now_s).keys)
    }

    /// What verifies the tokens of this server.
    pub(crate) fn public_keys(&self, now_s: u64) -> JwkSet {
        self.held(now_s).keys.public()
    }

    /// A token for the session, valid for [`LIFETIME_S`] from `now_s` (seconds since 1970).
    pub fn issue(&self, bearer: Bearer, now_s: u64) -> Token {
        let keys = self.keys(now_s);
        let claims = Claims {
            iss: keys.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: bearer.account_id,
            sid: bearer.session_id.id(),
            scope: bearer.scope,
            iat: now_s,
            nbf: now_s,
            exp: now_s + u64::from(LIFETIME_S),
        };
        let key = keys.signing(now_s);
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.clone());
        let text = jsonwebtoken::encode(&header, &claims, &key.encoding);
        Token::new(text.expect("plain claims encode and a key that was read signs"))
    }

    /// Who speaks, at `now_s` (seconds since 1970). A token seen before costs no signature check; its time is
    /// checked always.
    ///
    /// # Errors
    /// [`TokenError`]; one of a key that is gone is called expired, which is all that anybody learns about a forged one.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Bearer, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::NotOurs);
        }
        let key: [u8; 32] = Sha256::digest(token).into();
        let (known, keys) = {
            let held = self.held(now_s);
            (held.verified.get(&key).copied(), Arc::clone(&held.keys))
        };
        let verified = match known {
            Some(verified) => verified,
            None => verify_signed(token, &keys)?,
        };
        verified.check_time(now_s)?;
        if known.is_none() {
            self.held(now_s).remember(key, verified, now_s, &keys);
        }
        Ok(verified.bearer)
    }

    /// The keys as the file has them, looked at now and then, and what was verified with them.
    fn held(&self, now_s: u64) -> MutexGuard<'_, Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now_s.abs_diff(held.looked_s) >= LOOK_EVERY_S {
            held.looked_s = now_s;
            held.look(&self.path);
        }
        held
    }
}

impl Held {
    /// Reads the file anew if it is another one. One that cannot be read now leaves everything as it was.
    fn look(&mut self, path: &Path) {
        let stamp = Stamp::of(path);
        if stamp.is_none() || stamp == self.read {
            return;
        }
        match TokenKeys::open(path) {
            Ok(keys) => {
                // What a key that is gone has signed counts no more.
                (self.keys, self.read, self.verified) = (Arc::new(keys), stamp, HashMap::new());
            }
            Err(error) => {
                log::warn("the token keys cannot be read anew").cause(Some(Cause::of(&error))).write();
            }
        }
    }

    /// Unless the keys were read anew meanwhile.
    fn remember(&mut self, token: [u8; 32], verified: Verified, now_s: u64, keys: &Arc<TokenKeys>) {
        if !Arc::ptr_eq(keys, &self.keys) {
            return;
        }
        if self.verified.len() >= MAX_CACHED {
            self.verified.retain(|_, verified| verified.exp > now_s);
        }
        if self.verified.len() >= MAX_CACHED {
            self.verified.clear();
        }
        self.verified.insert(token, verified);
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { inode: metadata.ino(), modified: metadata.modified().ok()?, bytes: metadata.len() })
    }
}

/// Signature, type and claims; not the time.
fn verify_signed(token: &str, keys: &TokenKeys) -> Result<Verified, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::NotOurs)?;
    if header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
        return Err(TokenError::NotOurs);
    }
    // A key that is not here any more, or not yet: a new token is all that the device needs.
    let key = keys.named(header.kid.as_deref()).ok_or(TokenError::Expired)?;
    let data = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation(&keys.issuer))
        .map_err(|_| TokenError::NotOurs)?;
    let Claims { sub, sid, scope, iat, nbf, exp, .. } = data.claims;
    let lifetime = exp.checked_sub(iat).ok_or(TokenError::NotOurs)?;
    if nbf != iat || lifetime > u64::from(LIFETIME_S) {
        return Err(TokenError::NotOurs);
    }
    Ok(Verified { bearer: Bearer { account_id: sub, session_id: SessionId::new(sid), scope }, nbf, exp })
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jsonwebtoken::EncodingKey;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        sealing::Sealed,
        token_keys::{self, SETTLING_S},
    };

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
        assert_eq!(other.verify(token.expose(), NOW_S), Err(TokenError::Expired), "it has no such key");
    }

    #[test]
    fn nodes_that_start_at_once_share_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        let open = || Tokens::open(&path).unwrap().keys(NOW_S).issuer.clone();
        let issuers = std::thread::scope(|scope| {
            let nodes: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            nodes.into_iter().map(|node| node.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
        });
        assert_eq!(issuers.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn only_this_algorithm_type_key_and_these_claims_are_taken() {
        let (_folder, tokens) = tokens();
        let keys = tokens.keys(NOW_S);
        let key = keys.signing(NOW_S);
        let claims = json!({
            "iss": keys.issuer, "aud": AUDIENCE, "sub": bearer().account_id, "sid": bearer().session_id.id(),
            "scope": "account", "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 60,
        });
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.id.clone());
        let sign =
            |claims: &Value, header: &Header| jsonwebtoken::encode(header, claims, &key.encoding).unwrap();
        assert_eq!(tokens.verify(&sign(&claims, &header), NOW_S), Ok(bearer()));

        let changed = |name: &str, value: Value| {
            let mut claims = claims.clone();
            claims[name] = value;
            sign(&claims, &header)
        };
        let without = |name: &str| {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(name);
            sign(&claims, &header)
        };
        let mut wrong = vec![
            changed("exp", format!("{}", NOW_S + 60).into()),
            changed("exp", (NOW_S + 60 * 60).into()),
            changed("exp", 1_800_000_060.5.into()),
            changed("exp", Value::Null),
            changed("nbf", (NOW_S + 1).into()),
            changed("nbf", format!("{NOW_S}").into()),
            changed("iss", "another".into()),
            changed("iss", json!([keys.issuer, "another"])),
            changed("aud", "another".into()),
            changed("aud", json!([AUDIENCE])),
            changed("sub", "0".repeat(32).into()),
            changed("sid", 7.into()),
            changed("scope", "everything".into()),
            changed("scope", json!(["account", "admin"])),
        ];
        wrong.extend(["iss", "aud", "sub", "sid", "scope", "iat", "nbf", "exp"].map(without));
        for typ in [None, Some("JWT"), Some("application/at+jwt"), Some("AT+JWT")] {
            wrong.push(sign(&claims, &Header { typ: typ.map(str::to_owned), ..header.clone() }));
        }
        // The public key as the secret of another algorithm (CVE-2016-5431 and its kind).
        let shared = EncodingKey::from_secret(key.decoding.try_get_as_bytes().unwrap());
        let symmetric = Header { alg: Algorithm::HS256, ..header.clone() };
        wrong.push(jsonwebtoken::encode(&symmetric, &claims, &shared).unwrap());
        let genuine = sign(&claims, &header);
        let (_, body) = genuine.split_once('.').unwrap();
        for alg in ["none", "None", "ES256", "RS256"] {
            let forged = json!({ "alg": alg, "typ": TYPE, "kid": key.id }).to_string();
            let forged = data_encoding::BASE64URL_NOPAD.encode(forged.as_bytes());
            wrong.push(format!("{forged}.{body}"));
            wrong.push(format!("{forged}.{}.", body.split_once('.').unwrap().0));
        }
        wrong.extend([String::new(), "..".to_owned(), "a".repeat(5000)]);
        for token in wrong {
            assert_eq!(tokens.verify(&token, NOW_S), Err(TokenError::NotOurs), "{token}");
        }
        let ahead = json!({ "iat": NOW_S + 60, "nbf": NOW_S + 60, "exp": NOW_S + 120 });
        let mut of_another_time = claims.clone();
        of_another_time.as_object_mut().unwrap().extend(ahead.as_object().unwrap().clone());
        assert_eq!(tokens.verify(&sign(&of_another_time, &header), NOW_S), Err(TokenError::Expired));
        let unknown = Header { kid: Some("another".to_owned()), ..header.clone() };
        assert_eq!(tokens.verify(&sign(&claims, &unknown), NOW_S), Err(TokenError::Expired));
        let nameless = Header { kid: None, ..header };
        assert_eq!(tokens.verify(&sign(&claims, &nameless), NOW_S), Ok(bearer()), "of a program before");
    }

    #[test]
    fn a_rotation_signs_nobody_out() {
        let (folder, one) = tokens();
        let path = folder.path().join("token.key");
        let two = Tokens::open(&path).unwrap();
        let accepted = |now_s| {
            for (from, to) in [(&one, &two), (&two, &one), (&one, &one)] {
                let token = from.issue(bearer(), now_s);
                assert_eq!(to.verify(token.expose(), now_s), Ok(bearer()));
            }
        };
        let [before, refresh_key] =
            [one.keys(NOW_S).issuer.clone().into_bytes(), one.keys(NOW_S).refresh_key.to_vec()];
        let mut last = one.issue(bearer(), NOW_S);
        for round in 1..=4 {
            let now_s = NOW_S + round * 10_000;
            let from_s = token_keys::rotate(&path, false, now_s).unwrap();
            assert_eq!(from_s, now_s + SETTLING_S);
            // The one node has read it when the other one signs with it at last.
            one.verify("anything", now_s + LOOK_EVERY_S).unwrap_err();
            for after_s in [LOOK_EVERY_S, SETTLING_S - 1, SETTLING_S, SETTLING_S + 1] {
                accepted(now_s + after_s);
            }
            let signed = one.issue(bearer(), from_s - 1);
            assert_eq!(two.verify(signed.expose(), from_s + 500), Ok(bearer()), "by the key before");
            assert_eq!(two.verify(last.expose(), from_s), Err(TokenError::Expired));
            last = one.issue(bearer(), from_s + 1000);
            assert!(one.public_keys(from_s).keys.len() <= 2, "old ones go");
        }
        let again = Tokens::open(&path).unwrap();
        assert_eq!(again.keys(NOW_S).issuer.as_bytes(), before);
        assert_eq!(again.keys(NOW_S).refresh_key[..], refresh_key[..]);
    }

    #[test]
    fn a_key_that_somebody_may_know_is_dead_at_once() {
        let (folder, tokens) = tokens();
        let path = folder.path().join("token.key");
        let before = tokens.keys(NOW_S);
        let account_id = bearer().account_id;
        let sealed = before.sealing.seal(Sealed::Totp, account_id, b"a secret").unwrap();
        let stolen = tokens.issue(bearer(), NOW_S);
        assert_eq!(tokens.verify(stolen.expose(), NOW_S), Ok(bearer()));
        assert_eq!(token_keys::rotate(&path, true, NOW_S).unwrap(), NOW_S);
        let now_s = NOW_S + LOOK_EVERY_S;
        assert_eq!(tokens.verify(stolen.expose(), now_s), Err(TokenError::Expired), "though it is cached");
        let fresh = tokens.issue(bearer(), now_s);
        assert_eq!(tokens.verify(fresh.expose(), now_s), Ok(bearer()));
        assert_eq!(tokens.public_keys(now_s).keys.len(), 1);
        let now = tokens.keys(now_s);
        assert_ne!(now.refresh_key, before.refresh_key);
        assert!(before.takes_old_refresh_tokens && !now.takes_old_refresh_tokens);
        let renewed = now.sealing.renew(Sealed::Totp, account_id, &sealed).unwrap().unwrap();
        assert!(now.sealing.open(Sealed::Totp, account_id, &renewed).is_some());
        assert!(before.sealing.open(Sealed::Totp, account_id, &renewed).is_none(), "the file that leaked");
        assert_eq!(now.issuer, before.issuer);
        token_keys::rotate(&path, false, now_s).unwrap();
        let later = tokens.keys(now_s + LOOK_EVERY_S);
        assert!(!later.takes_old_refresh_tokens && later.refresh_key == now.refresh_key);
        assert!(later.sealing.open(Sealed::Totp, account_id, &renewed).is_some());
    }

    #[test]
    fn what_verifies_is_public_and_what_signs_is_not() {
        let (folder, tokens) = tokens();
        let path = folder.path().join("token.key");
        token_keys::rotate(&path, false, NOW_S).unwrap();
        let set = serde_json::to_value(tokens.public_keys(NOW_S + LOOK_EVERY_S)).unwrap();
        let keys = set["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            members.sort_unstable();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
            assert_eq!(
                (&key["kty"], &key["crv"], &key["alg"]),
                (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
            );
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_becomes_unreadable_changes_nothing() {
        let (folder, tokens) = tokens();
        let token = tokens.issue(bearer(), NOW_S);
        fs::write(folder.path().join("token.key"), "something else").unwrap();
        assert_eq!(tokens.verify(token.expose(), NOW_S + LOOK_EVERY_S), Ok(bearer()));
    }

    #[test]
    fn a_file_that_is_no_key_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        fs::write(&path, b"something else").unwrap();
        assert!(matches!(Tokens::open(&path), Err(TokenKeysError::NotKeys { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"something else");
    }
}
