//! The Recovery Kit (`spec/crypto.md`, "Recovery"): the way back in without the master password.

mod words;

pub use words::{secret_from_words, secret_to_words};

use core::fmt;

use data_encoding::BASE32_NOPAD;
use etui_chain::{AccountId, Digest, Refusal, Refused};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{RecoveryKey, SecretKey};

const PREFIX: &str = "ETUIKIT1:";
const SECRET_KEY_PRESENT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Flags, account id, recovery key.
const SHORT_BYTES: usize = 1 + 16 + 32;

/// What the printed kit holds.
pub struct RecoveryKit {
    /// The account it opens.
    pub account_id: AccountId,
    /// The key of the recovery keyset.
    pub recovery_key: RecoveryKey,
    /// The second secret, where used.
    pub secret_key: Option<SecretKey>,
}

/// Why a kit was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KitError {
    /// The text does not begin as a kit's does, or is not base32.
    #[error("this is not the code of a Recovery Kit")]
    NotAKit,
    /// The code is of another length than it says itself.
    #[error("the code of the Recovery Kit is incomplete")]
    Length,
    /// A flag that this version does not know.
    #[error("the Recovery Kit was made by a newer version; update the app")]
    Flags,
    /// The checksum does not fit: something was misread.
    #[error("the Recovery Kit was misread: its checksum does not fit")]
    Checksum,
    /// Not as many words as there must be.
    #[error("there are {found} words; there must be 24")]
    WordCount {
        /// How many there are.
        found: usize,
    },
    /// A word that is not on the list.
    #[error("word {position} is not one of a Recovery Kit's words")]
    UnknownWord {
        /// Which one, counted from 1.
        position: usize,
    },
}

impl From<KitError> for Refused {
    /// The stable name: `format` for all of them but an unknown flag.
    fn from(error: KitError) -> Self {
        match error {
            KitError::Flags => Refusal::UnsupportedProtocol.because("a Recovery Kit of a newer version"),
            _ => Refusal::Format.because("a Recovery Kit that cannot be read"),
        }
    }
}

impl RecoveryKit {
    /// The text of the QR code.
    pub fn to_qr_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SHORT_BYTES + 32 + CHECKSUM_BYTES));
        bytes.push(if self.secret_key.is_some() { SECRET_KEY_PRESENT } else { 0 });
        bytes.extend_from_slice(self.account_id.as_bytes());
        bytes.extend_from_slice(self.recovery_key.0.bytes());
        if let Some(secret_key) = &self.secret_key {
            bytes.extend_from_slice(secret_key.0.bytes());
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + bytes.len() * 2));
        text.push_str(PREFIX);
        BASE32_NOPAD.encode_append(&bytes, &mut text);
        text
    }

    /// Reads the text of the QR code: exactly the form that is written.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn from_qr_text(text: &str) -> Result<Self, KitError> {
        let base32 = text.strip_prefix(PREFIX).ok_or(KitError::NotAKit)?;
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(base32.as_bytes()).map_err(|_| KitError::NotAKit)?);
        let (content, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(KitError::Length)?;
        if !bool::from(checksum(content).ct_eq(found)) {
            return Err(KitError::Checksum);
        }
        let (&flags, rest) = content.split_first().ok_or(KitError::Length)?;
        if flags & !SECRET_KEY_PRESENT != 0 {
            return Err(KitError::Flags);
        }
        let (account_id, rest) = rest.split_first_chunk::<16>().ok_or(KitError::Length)?;
        let (recovery_key, rest) = rest.split_first_chunk::<32>().ok_or(KitError::Length)?;
        let secret_key = match (flags, <&[u8; 32]>::try_from(rest)) {
            (0, _) if rest.is_empty() => None,
            (SECRET_KEY_PRESENT, Ok(secret_key)) => Some(SecretKey::from_bytes(secret_key)),
            _ => return Err(KitError::Length),
        };
        let account_id = AccountId::new(*account_id).map_err(|_| KitError::NotAKit)?;
        Ok(Self { account_id, recovery_key: RecoveryKey::from_bytes(recovery_key), secret_key })
    }

    /// The recovery key as 24 words, and the second secret as 24 more where used. The account id is printed beside
    /// them as hex.
    pub fn to_words(&self) -> (Zeroizing<String>, Option<Zeroizing<String>>) {
        let secret_words = self.secret_key.as_ref().map(|key| secret_to_words(key.0.bytes()));
        (secret_to_words(self.recovery_key.0.bytes()), secret_words)
    }

    /// Reads the words, as typed: any white space between them, letter case ignored.
    ///
    /// # Errors
    /// [`KitError`].
    pub fn from_words(
        account_id: AccountId,
        words: &str,
        secret_words: Option<&str>,
    ) -> Result<Self, KitError> {
        let recovery_key = RecoveryKey::from_bytes(&*secret_from_words(words)?);
        let secret_key = secret_words.map(secret_from_words).transpose()?;
        Ok(Self { account_id, recovery_key, secret_key: secret_key.map(|key| SecretKey::from_bytes(&key)) })
    }
}

impl fmt::Debug for RecoveryKit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecoveryKit({}, [secret])", self.account_id)
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    *Digest::of(&[content]).as_bytes().first_chunk().expect("a digest has 32 bytes")
}
