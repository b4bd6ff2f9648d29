//! What all formats share: hex, and how a difference is reported.

use core::fmt::Display;

use data_encoding::HEXLOWER;
use etui_chain::{Digest, Refused};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Mismatch;
use crate::secret::Secret;

/// Bytes of any length as lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

/// The key that a file gives as 32 bytes of hex.
pub(super) fn secret(bytes: &Digest) -> Secret {
    Secret::copy_of(bytes.as_bytes())
}

pub(super) fn as_hex(secret: &Secret) -> Digest {
    Digest::new(*secret.bytes())
}

/// Says where, should the two differ.
pub(super) fn same<T: PartialEq + ?Sized>(found: &T, expected: &T, at: impl Display) -> Result<(), Mismatch> {
    if found == expected { Ok(()) } else { Err(Mismatch::Differs { at: at.to_string() }) }
}

/// Says where, should something have been refused.
pub(super) trait At<T> {
    fn at(self, at: impl Display) -> Result<T, Mismatch>;
}

impl<T> At<T> for Result<T, Refused> {
    fn at(self, at: impl Display) -> Result<T, Mismatch> {
        self.map_err(|source| Mismatch::Refused { at: at.to_string(), source })
    }
}
