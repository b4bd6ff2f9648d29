//! Identifiers, digests and public keys: fixed-size byte strings, hex for people.

use core::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::{Refusal, Refused};

/// Any identifier: 16 random bytes, never all zero. The typed ids below say whose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 16]);

impl Id {
    /// Takes 16 random bytes.
    ///
    /// # Errors
    /// `format` for the all-zero id.
    pub const fn new(bytes: [u8; 16]) -> Result<Self, Refused> {
        if u128::from_ne_bytes(bytes) == 0 {
            return Err(Refusal::Format.because("an id is all zero"));
        }
        Ok(Self(bytes))
    }

    /// The bytes as they stand in records, commits and states.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Id);

        impl $name {
            /// Takes 16 random bytes.
            ///
            /// # Errors
            /// `format` for the all-zero id.
            pub const fn new(bytes: [u8; 16]) -> Result<Self, Refused> {
                match Id::new(bytes) {
                    Ok(id) => Ok(Self(id)),
                    Err(refused) => Err(refused),
                }
            }

            /// The bytes as they stand in records, commits and states.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The same id where a record header does not say whose it is.
            pub const fn id(self) -> Id {
                self.0
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Id {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        fixed_bytes_traits!($name, 16, |bytes| $name::new(bytes).ok());
    )*};
}

macro_rules! fixed_bytes_traits {
    ($name:ident, $length:literal, $make:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&HEXLOWER.encode(self.as_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Refused;

            fn from_str(text: &str) -> Result<Self, Refused> {
                let make: fn([u8; $length]) -> Option<Self> = $make;
                HEXLOWER
                    .decode(text.as_bytes())
                    .ok()
                    .and_then(|bytes| bytes.try_into().ok())
                    .and_then(make)
                    .ok_or(Refusal::Format.because("not the hex form that was expected"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(self.as_bytes())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(formatter, "{} bytes, as lower-case hex in text formats", $length)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<$name, E> {
                        let make: fn([u8; $length]) -> Option<$name> = $make;
                        bytes
                            .try_into()
                            .ok()
                            .and_then(make)
                            .ok_or_else(|| E::invalid_length(bytes.len(), &self))
                    }
                }
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(Visitor)
                } else {
                    deserializer.deserialize_bytes(Visitor)
                }
            }
        }
    };
}

fixed_bytes_traits!(Id, 16, |bytes| Id::new(bytes).ok());

typed_id! {
    /// One person's account on one server.
    AccountId
    /// One device of an account: a signing key of its own.
    DeviceId
    /// One vault: a chain of commits and a key per epoch.
    VaultId
    /// One object of a vault: an entry, an attachment or the vault's settings.
    ObjectId
    /// One keyset: the account's keys sealed under one way of unlocking.
    KeysetId
}

/// A SHA-256 digest: of a record, a commit, a state or a tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Thirty-two zero bytes: "nothing before this".
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 of the concatenated parts.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Takes 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand in commits and states.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether all bytes are zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

fixed_bytes_traits!(Digest, 32, |bytes| Some(Digest::new(bytes)));

/// An Ed25519 public key (RFC 8032), checked only when it verifies something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The encoded point.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Strict verification: no small-order keys, no malleable signatures.
    pub fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .and_then(|key| {
                key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature.as_bytes()))
            })
            .is_ok()
    }
}

fixed_bytes_traits!(PublicKey, 32, |bytes| Some(PublicKey::new(bytes)));

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes 64 bytes.
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The encoded signature.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

fixed_bytes_traits!(Signature, 64, |bytes| Some(Signature::new(bytes)));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_bytes_are_the_two_forms() {
        let id = VaultId::new([0xab; 16]).unwrap();
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_string().parse::<VaultId>().unwrap(), id);
        let mut bytes = Vec::new();
        ciborium::into_writer(&id, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 17);
        assert_eq!(ciborium::from_reader::<VaultId, _>(&bytes[..]).unwrap(), id);
    }

    #[test]
    fn zero_wrong_length_and_upper_case_are_refused() {
        assert!(VaultId::new([0; 16]).is_err());
        assert!("0".repeat(32).parse::<VaultId>().is_err());
        assert!("ab".repeat(15).parse::<VaultId>().is_err());
        assert!("AB".repeat(16).parse::<VaultId>().is_err());
    }
}
