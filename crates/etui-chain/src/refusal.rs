//! The names by which data is refused: the same in every client, in logs and in tests.

use core::fmt;

/// Why data was not accepted (`spec/crypto.md`, "Refusals").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    /// Older than what this device has already verified.
    Rollback,
    /// Two different successors of one verified state or commit.
    Fork,
    /// Something that the signed data lists was not delivered.
    Missing,
    /// Something was delivered that the signed data does not list.
    Extra,
    /// A genuine record in a place where it does not belong.
    WrongContext,
    /// The key or the context does not fit the record.
    Commitment,
    /// The bytes are not those that were signed.
    Forged,
    /// The record ends before its fixed part does.
    Truncated,
    /// The bytes do not follow the format.
    Format,
    /// A cipher suite that this version does not know.
    UnknownSuite,
    /// A newer schema than this version can read: the app has to be updated.
    UnsupportedProtocol,
    /// The account state is not signed by the account's identity key.
    StateSignature,
    /// An account state older than the one already accepted.
    StateRollback,
    /// A keyset differs from the one that the signed state names.
    KeysetHash,
    /// A vault that the signed state does not list.
    VaultUnsigned,
    /// A key derivation parameter below the floor.
    KdfFloor,
    /// A key derivation parameter above the ceiling.
    KdfCeiling,
    /// A key derivation parameter below the one pinned on this device.
    KdfPin,
    /// The login password equals, contains or is contained in the master password.
    PasswordReuse,
    /// The local store is behind the pin kept in secure storage.
    LocalRollback,
    /// The known-answer test of the cryptography failed on this machine.
    SelfTest,
    /// A size or count beyond the fixed limits.
    Limit,
}

impl Refusal {
    /// Every refusal, in the order of `spec/crypto.md`.
    pub const ALL: [Self; 22] = [
        Self::Rollback,
        Self::Fork,
        Self::Missing,
        Self::Extra,
        Self::WrongContext,
        Self::Commitment,
        Self::Forged,
        Self::Truncated,
        Self::Format,
        Self::UnknownSuite,
        Self::UnsupportedProtocol,
        Self::StateSignature,
        Self::StateRollback,
        Self::KeysetHash,
        Self::VaultUnsigned,
        Self::KdfFloor,
        Self::KdfCeiling,
        Self::KdfPin,
        Self::PasswordReuse,
        Self::LocalRollback,
        Self::SelfTest,
        Self::Limit,
    ];

    /// The stable name, as it appears in JSON output, problem documents and the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Fork => "fork",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::WrongContext => "wrong_context",
            Self::Commitment => "commitment",
            Self::Forged => "forged",
            Self::Truncated => "truncated",
            Self::Format => "format",
            Self::UnknownSuite => "unknown_suite",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::StateSignature => "state_signature",
            Self::StateRollback => "state_rollback",
            Self::KeysetHash => "keyset_hash",
            Self::VaultUnsigned => "vault_unsigned",
            Self::KdfFloor => "kdf_floor",
            Self::KdfCeiling => "kdf_ceiling",
            Self::KdfPin => "kdf_pin",
            Self::PasswordReuse => "password_reuse",
            Self::LocalRollback => "local_rollback",
            Self::SelfTest => "self_test",
            Self::Limit => "limit",
        }
    }

    /// The refusal of that stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// This refusal, with what was found.
    pub const fn because(self, found: &'static str) -> Refused {
        Refused { refusal: self, found }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A refusal and what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{refusal}: {found}")]
pub struct Refused {
    /// The stable name.
    pub refusal: Refusal,
    /// One clause for people, without any of the data itself.
    pub found: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_refusal() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_name(refusal.name()), Some(refusal));
        }
        assert_eq!(Refusal::from_name("stale"), None, "a warning is no refusal");
    }
}
