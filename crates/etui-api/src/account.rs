//! The account as the server knows it: keysets, devices, sign-up.

use etui_chain::{AccountId, DeviceId, KdfDescriptor, KeysetId, KeysetKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::{LoginProof, Token};

/// The header frame of `POST /v1/accounts`, as CBOR. The first state, the records it names and commit 1 of each vault
/// with its records follow as frames.
#[derive(Debug, Serialize, Deserialize)]
pub struct SignUp {
    /// The e-mail address that will name the account on this server.
    pub email: String,
    /// The login proof, where signing in by a login password is wanted. Without one there must be a `ticket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_proof: Option<LoginProof>,
    /// The device that signs up; the first state lists it.
    pub device_id: DeviceId,
    /// The secret of an invitation, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Token>,
    /// Shows who signs up: an account at a provider, a passkey, an address that was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
}

impl SignUp {
    /// With a login password, where everybody may sign up.
    pub const fn with_login_proof(email: String, login_proof: LoginProof, device_id: DeviceId) -> Self {
        Self { email, login_proof: Some(login_proof), device_id, invitation: None, ticket: None }
    }
}

/// `GET /v1/keysets`: what a device needs to unlock, given only to one that has signed in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Keysets {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// How the master key is derived. An index only: the signed state has the last word.
    #[schema(value_type = Object)]
    pub kdf: KdfDescriptor,
    /// The sealed keysets.
    pub keysets: Vec<SealedKeyset>,
}

/// One sealed keyset.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SealedKeyset {
    /// The keyset.
    #[schema(value_type = String)]
    pub id: KeysetId,
    /// Its way of unlocking.
    #[schema(value_type = String)]
    pub kind: KeysetKind,
    /// A counter per keyset.
    pub version: u64,
    /// The sealed record, base64url without padding.
    #[serde(with = "base64_bytes")]
    #[schema(value_type = String)]
    pub record: Vec<u8>,
}

/// `GET /v1/devices`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Devices {
    /// Devices with a live session, and those that the newest state lists.
    pub devices: Vec<Device>,
}

/// One device as the server sees it. Its name is sealed in the account settings.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// The device.
    #[schema(value_type = String)]
    pub device_id: DeviceId,
    /// Whether the newest state lists it: only then are its commits accepted.
    pub listed: bool,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When its session began, in ms since 1970; absent without a live session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in_ms: Option<u64>,
    /// When its session was last used, in ms since 1970, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
    /// Whether it has signed in for the first time and another device has to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub awaits_approval: bool,
}

mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        URL_SAFE_NO_PAD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
