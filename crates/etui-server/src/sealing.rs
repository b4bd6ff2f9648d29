//! Secrets that the server has to read again, sealed under a key that is not in the database: a copy of that alone opens none.
//!
//! `version 1 || nonce 12 || ciphertext || tag 16`, AES-256-GCM (NIST SP 800-38D) with a random nonce. What it is and whose is
//! authenticated with it, so that no row says anything in the place of another.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{AeadInOut as _, inout::InOutBuf},
};
use etui_chain::AccountId;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Sets the key apart from whatever else may be derived from the same secret.
const KEY_INFO: &[u8] = b"etui/v1/sealing/aes-256-gcm";

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// The secret of an account's one-time passwords.
    Totp,
    /// One that is being set up.
    TotpSetup,
}

impl Sealed {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Totp => b"etui/v1/totp\0",
            Self::TotpSetup => b"etui/v1/totp-setup\0",
        }
    }

    fn context(self, account_id: AccountId) -> Vec<u8> {
        [self.label(), account_id.as_bytes()].concat()
    }
}

/// The keys of a server: the first one seals, each opens what it has sealed.
pub(crate) struct SealingKeys(Vec<Aes256Gcm>);

impl SealingKeys {
    /// Of secrets of 32 random bytes; the newest first.
    pub(crate) fn new<'a>(secrets: impl Iterator<Item = &'a [u8; 32]>) -> Self {
        Self(secrets.map(key).collect())
    }

    /// Seals something of an account.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub(crate) fn seal(
        &self,
        what: Sealed,
        account_id: AccountId,
        secret: &[u8],
    ) -> Result<Vec<u8>, getrandom::Error> {
        let mut sealed = vec![0; 1 + NONCE_BYTES];
        sealed[0] = VERSION;
        getrandom::fill(&mut sealed[1..])?;
        let nonce: [u8; NONCE_BYTES] = std::array::from_fn(|index| sealed[1 + index]);
        let mut buffer = Zeroizing::new(secret.to_vec());
        let tag = self.0[0]
            .encrypt_inout_detached(&nonce.into(), &what.context(account_id), InOutBuf::from(&mut buffer[..]))
            .expect("a secret is shorter than 64 GiB");
        sealed.extend_from_slice(&buffer);
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// What was sealed; `None` if none of these keys has, or it was something else or of another account.
    pub(crate) fn open(
        &self,
        what: Sealed,
        account_id: AccountId,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        self.0.iter().find_map(|key| open(key, what, account_id, sealed))
    }

    /// The same under the key that seals now; `None` if it is, or if it does not open.
    ///
    /// # Errors
    /// The operating system gave no random bytes.
    pub(crate) fn renew(
        &self,
        what: Sealed,
        account_id: AccountId,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, getrandom::Error> {
        if open(&self.0[0], what, account_id, sealed).is_some() {
            return Ok(None);
        }
        let opened = self.open(what, account_id, sealed);
        opened.map(|secret| self.seal(what, account_id, &secret)).transpose()
    }
}

fn key(secret: &[u8; 32]) -> Aes256Gcm {
    let mut key = Zeroizing::new([0; 32]);
    let derived = Hkdf::<Sha256>::new(None, secret).expand(KEY_INFO, &mut *key);
    derived.expect("no key is longer than 255 blocks");
    Aes256Gcm::new((&*key).into())
}

fn open(key: &Aes256Gcm, what: Sealed, account_id: AccountId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (&version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let context = what.context(account_id);
    let opened =
        key.decrypt_inout_detached(nonce.into(), &context, InOutBuf::from(&mut buffer[..]), tag.into());
    (version == VERSION && opened.is_ok()).then_some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of twenty b";

    fn keys(secrets: &[[u8; 32]]) -> SealingKeys {
        SealingKeys::new(secrets.iter())
    }

    fn account(byte: u8) -> AccountId {
        AccountId::new([byte; 16]).unwrap()
    }

    #[test]
    fn it_opens_as_what_it_is_for_whose_it_is_and_for_nothing_else() {
        let keys = keys(&[[1; 32]]);
        let sealed = keys.seal(Sealed::Totp, account(1), SECRET).unwrap();
        assert_eq!(keys.open(Sealed::Totp, account(1), &sealed).unwrap()[..], *SECRET);
        assert!(keys.open(Sealed::Totp, account(2), &sealed).is_none(), "of another account");
        assert!(keys.open(Sealed::TotpSetup, account(1), &sealed).is_none(), "something else");
        assert!(self::keys(&[[2; 32]]).open(Sealed::Totp, account(1), &sealed).is_none(), "another key");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(keys.open(Sealed::Totp, account(1), &changed).is_none(), "{index}");
            assert!(keys.open(Sealed::Totp, account(1), &sealed[..index]).is_none(), "{index}");
        }
        assert_ne!(keys.seal(Sealed::Totp, account(1), SECRET).unwrap(), sealed, "each has its own nonce");
    }

    #[test]
    fn what_a_key_before_has_sealed_opens_and_is_renewed_once() {
        let (before, now) = (keys(&[[1; 32]]), keys(&[[2; 32], [1; 32]]));
        let sealed = before.seal(Sealed::Totp, account(1), SECRET).unwrap();
        assert_eq!(now.open(Sealed::Totp, account(1), &sealed).unwrap()[..], *SECRET);
        let renewed = now.renew(Sealed::Totp, account(1), &sealed).unwrap().unwrap();
        assert!(before.open(Sealed::Totp, account(1), &renewed).is_none());
        assert_eq!(keys(&[[2; 32]]).open(Sealed::Totp, account(1), &renewed).unwrap()[..], *SECRET);
        assert!(now.renew(Sealed::Totp, account(1), &renewed).unwrap().is_none());
        assert!(now.renew(Sealed::Totp, account(2), &sealed).unwrap().is_none(), "what does not open stays");
    }
}
