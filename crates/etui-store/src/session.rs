//! Sessions: which device of which account is asking.

use etui_chain::{AccountId, DeviceId, Digest, Id};

/// Names one session; it travels in access tokens and is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Id);

impl SessionId {
    /// Takes an id of 16 random bytes.
    pub const fn new(id: Id) -> Self {
        Self(id)
    }

    /// The id.
    pub const fn id(self) -> Id {
        self.0
    }
}

/// A session to be created.
#[derive(Debug, Clone, Copy)]
pub struct NewSession {
    /// Sixteen random bytes.
    pub session_id: SessionId,
    /// SHA-256 of the first refresh token.
    pub refresh_hash: Digest,
    /// When the session ends unless it is refreshed, in ms since 1970.
    pub expires_ms: u64,
}

/// Proof that a live session of a device speaks for an account. Only the store makes one.
#[derive(Debug, Clone)]
pub struct Authority {
    account_id: AccountId,
    device_id: DeviceId,
    session_id: SessionId,
    last_seen_ms: u64,
}

impl Authority {
    /// The account.
    pub const fn account_id(&self) -> AccountId {
        self.account_id
    }

    /// The device.
    pub const fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// The session.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }
}

/// What became of a refresh token.
#[derive(Debug, Clone)]
pub enum Rotation {
    /// It was the newest of its session and has been replaced.
    Rotated(Authority),
    /// It had been replaced before: somebody else holds a copy, so the session is over for both.
    Reused,
    /// It belongs to no live session.
    Unknown,
}
