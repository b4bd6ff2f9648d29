//! The keys of the server, in one small file that all nodes share. Most of them sign access tokens.
//!
//! Of those there may be several: the newest signs once its time has come, and the others verify what they have signed. So a
//! rotation signs nobody out: each node has read a new key before the first token is signed with it. Issuer, the key of refresh
//! tokens and what seals secrets in the database stay what they were, unless somebody may know them.
//!
//! A program before version 0.2 made a file with one key alone, in the form of PKCS#8. It is read as it is, and written anew by
//! the first rotation.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hkdf::Hkdf;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{durable, limits, sealing::SealingKeys, tokens::LIFETIME_S};

/// From its making on until a new key signs, in seconds: longer than a secret takes to arrive on every node.
pub const SETTLING_S: u64 = 600;

/// Sets the key of refresh tokens apart from the first one that signs.
const REFRESH_LABEL: &[u8] = b"etui/v1/refresh-token\0";
/// Sets the first key that seals apart from that of refresh tokens, which it follows from.
const SEALING_INFO: &[u8] = b"etui/v1/sealing";
/// Sets the key of counters apart from that of refresh tokens.
const LIMITS_LABEL: &[u8] = b"etui/v1/limits\0";
/// PKCS#8 for Ed25519 (RFC 8410 §7): everything in front of the seed.
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const SEED_BYTES: usize = 32;

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeysError {
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
    #[error("{} holds no token keys; remove the file to have a new one made (everyone signs in again)", path.display())]
    NotKeys {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("could not draw random bytes for the token key")]
    Random(#[source] getrandom::Error),
}

/// Every key that may have signed a token which is not over.
pub(crate) struct TokenKeys {
    /// The name of the server in its tokens.
    pub(crate) issuer: String,
    /// Makes refresh tokens that only this server can have made.
    pub(crate) refresh_key: Zeroizing<[u8; 32]>,
    /// Whether refresh tokens of a program before version 0.2 count, which no key has made.
    pub(crate) takes_old_refresh_tokens: bool,
    /// Make the names of counters.
    pub(crate) limits: limits::Keys,
    /// Seal secrets in the database.
    pub(crate) sealing: SealingKeys,
    /// The oldest first; never empty.
    keys: Vec<TokenKey>,
}

/// One of them.
pub(crate) struct TokenKey {
    /// Its thumbprint (RFC 7638), the `kid` of tokens.
    pub(crate) id: String,
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
    public: Jwk,
    /// Signs from then on, in seconds since 1970.
    from_s: u64,
}

impl TokenKeys {
    /// Those in `path`; a first one is made there, readable by its owner alone, if the file does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, TokenKeysError> {
        let not_keys = || TokenKeysError::NotKeys { path: path.to_owned() };
        Self::of(read_or_make(path)?).ok_or_else(not_keys)
    }

    /// The newest one whose time has come.
    pub(crate) fn signing(&self, now_s: u64) -> &TokenKey {
        self.keys.iter().rev().find(|key| key.from_s <= now_s).unwrap_or(&self.keys[0])
    }

    /// The one that a token names. A program before version 0.2 names none: it knows the oldest alone.
    pub(crate) fn named(&self, id: Option<&str>) -> Option<&TokenKey> {
        match id {
            Some(id) => self.keys.iter().find(|key| key.id == id),
            None => self.keys.first(),
        }
    }

    /// What verifies, for others to read (RFC 7517).
    pub(crate) fn public(&self) -> JwkSet {
        JwkSet { keys: self.keys.iter().map(|key| key.public.clone()).collect() }
    }

    fn of(file: KeyFile) -> Option<Self> {
        let sealing_keys = file.sealing_keys();
        let KeyFile { issuer, refresh_key: Secret(refresh_key), takes_old_refresh_tokens, keys, .. } = file;
        let keys = keys.iter().map(TokenKey::of).collect::<Option<Vec<_>>>()?;
        let limits = Sha256::new().chain_update(LIMITS_LABEL).chain_update(*refresh_key).finalize();
        let limits = limits::Keys::new(Zeroizing::new(limits.into()));
        let sealing = SealingKeys::new(sealing_keys.iter().map(|secret| &*secret.0));
        (!keys.is_empty()).then_some(Self {
            issuer,
            refresh_key,
            takes_old_refresh_tokens,
            limits,
            sealing,
            keys,
        })
    }
}

impl TokenKey {
    fn of(entry: &KeyEntry) -> Option<Self> {
        let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], &*entry.seed.0].concat());
        let encoding = EncodingKey::from_ed_der(&pkcs8);
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).ok()?;
        let decoding = DecodingKey::from_jwk(&public).ok()?;
        let id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self { id, encoding, decoding, public, from_s: entry.from_s })
    }
}

/// Adds a key that signs from the time that is returned, in seconds since 1970, and leaves out those whose last token is over.
/// With `at_once` it is for a file that somebody else may know: no key of it signs or seals any more, so that access tokens and
/// refresh tokens are dead, and what is sealed should be sealed anew, for which the keys before stay.
///
/// # Errors
/// [`TokenKeysError`].
pub fn rotate(path: &Path, at_once: bool, now_s: u64) -> Result<u64, TokenKeysError> {
    let file = read_or_make(path)?;
    let file = if at_once { file.with_nothing_of_before(now_s)? } else { file.with_another_key(now_s)? };
    let from_s = file.keys.last().map_or(now_s, |key| key.from_s);
    let bytes = file.to_bytes();
    let failed = |source| TokenKeysError::File { doing: "write", path: path.to_owned(), source };
    durable::replace_private(path, &bytes).map_err(failed)?;
    Ok(from_s)
}

/// A key whose successor has signed for longer than a token lives is in no token any more.
fn still_needed(mut keys: Vec<KeyEntry>, now_s: u64) -> Vec<KeyEntry> {
    let lifetime_s = 2 * u64::from(LIFETIME_S);
    let is_over = |key: &KeyEntry| key.from_s + lifetime_s <= now_s;
    let newest_settled = keys.iter().rposition(is_over).unwrap_or(0);
    keys.drain(..newest_settled);
    keys
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    issuer: String,
    refresh_key: Secret,
    #[serde(default = "as_before")]
    takes_old_refresh_tokens: bool,
    /// The newest first; none in a file that a program wrote which knew of none.
    #[serde(default)]
    sealing_keys: Vec<Secret>,
    /// The oldest first.
    keys: Vec<KeyEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeyEntry {
    from_s: u64,
    seed: Secret,
}

/// What holds in a file that does not say.
const fn as_before() -> bool {
    true
}

/// 32 bytes that are wiped and never shown.
struct Secret(Zeroizing<[u8; SEED_BYTES]>);

impl KeyFile {
    fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.strip_prefix(&PKCS8_PREFIX[..]) {
            Some(seed) => Self::of_one(Secret::of(seed)?),
            None => serde_json::from_slice(bytes).ok(),
        }
    }

    /// With the names that a program before version 0.2 made of its one key.
    fn of_one(seed: Secret) -> Option<Self> {
        let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], &*seed.0].concat());
        let refresh_key = Sha256::new().chain_update(REFRESH_LABEL).chain_update(&pkcs8).finalize();
        let refresh_key = Secret(Zeroizing::new(refresh_key.into()));
        let entry = KeyEntry { from_s: 0, seed };
        let public = ed25519_public(&pkcs8)?;
        let issuer = format!("etui:{}", HEXLOWER.encode(&Sha256::digest(public)[..16]));
        let sealing_keys = Vec::new();
        Some(Self { issuer, refresh_key, takes_old_refresh_tokens: true, sealing_keys, keys: vec![entry] })
    }

    /// One that signs after a while, beside those that are still needed.
    fn with_another_key(self, now_s: u64) -> Result<Self, TokenKeysError> {
        let sealing_keys = self.sealing_keys();
        let mut keys = still_needed(self.keys, now_s);
        keys.push(KeyEntry { from_s: now_s + SETTLING_S, seed: Secret::draw()? });
        Ok(Self { sealing_keys, keys, ..self })
    }

    /// Others in the place of all; those that sealed open what they have sealed.
    fn with_nothing_of_before(self, now_s: u64) -> Result<Self, TokenKeysError> {
        let mut sealing_keys = self.sealing_keys();
        sealing_keys.insert(0, Secret::draw()?);
        Ok(Self {
            issuer: self.issuer,
            refresh_key: Secret::draw()?,
            takes_old_refresh_tokens: false,
            sealing_keys,
            keys: vec![KeyEntry { from_s: now_s, seed: Secret::draw()? }],
        })
    }

    /// As they stand there. The first one follows from the key of refresh tokens as long as both are those of the beginning, so
    /// that a file with one key alone has it as well, the same on every node.
    fn sealing_keys(&self) -> Vec<Secret> {
        if !self.sealing_keys.is_empty() {
            return self.sealing_keys.iter().map(Secret::copy).collect();
        }
        let mut first = Zeroizing::new([0; SEED_BYTES]);
        let derived = Hkdf::<Sha256>::new(None, &*self.refresh_key.0).expand(SEALING_INFO, &mut *first);
        derived.expect("no key is longer than 255 blocks");
        vec![Secret(first)]
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec_pretty(self).expect("keys are plain JSON"))
    }
}

fn ed25519_public(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let public = Jwk::from_encoding_key(&EncodingKey::from_ed_der(pkcs8), Algorithm::EdDSA).ok()?;
    let decoding = DecodingKey::from_jwk(&public).ok()?;
    decoding.try_get_as_bytes().ok().map(<[u8]>::to_vec)
}

impl Secret {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SEED_BYTES]);
        if bytes.len() != SEED_BYTES {
            return None;
        }
        secret.copy_from_slice(bytes);
        Some(Self(secret))
    }

    fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    fn draw() -> Result<Self, TokenKeysError> {
        let mut secret = Zeroizing::new([0; SEED_BYTES]);
        getrandom::fill(&mut *secret).map_err(TokenKeysError::Random)?;
        Ok(Self(secret))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(&*self.0));
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
        text.zeroize();
        let secret = bytes.ok().and_then(|bytes| Self::of(&bytes));
        secret.ok_or_else(|| de::Error::custom("a key is 32 bytes as base64url without padding"))
    }
}

fn read_or_make(path: &Path) -> Result<KeyFile, TokenKeysError> {
    let failed = |doing| move |source| TokenKeysError::File { doing, path: path.to_owned(), source };
    let read = || fs::read(path).map(Zeroizing::new);
    let bytes = match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
        read => read.map_err(failed("read"))?,
    };
    KeyFile::parse(&bytes).ok_or_else(|| TokenKeysError::NotKeys { path: path.to_owned() })
}

/// A first key is written as ever, so that nodes of the version before can be started beside this one.
fn make(path: &Path) -> Result<Zeroizing<Vec<u8>>, TokenKeysError> {
    let failed = |doing| move |source| TokenKeysError::File { doing, path: path.to_owned(), source };
    let pkcs8 = Zeroizing::new([&PKCS8_PREFIX[..], &*Secret::draw()?.0].concat());
    match durable::write_private(path, &pkcs8) {
        // Another node was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read(path).map(Zeroizing::new).map_err(failed("read"))
        }
        written => written.map(|()| pkcs8).map_err(failed("write")),
    }
}
