//! Headers of pushes and pulls, and live events.

use etui_chain::{DeviceId, Digest, Head, Refusal, Refused, VaultId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

/// The header frame of `GET /v1/vaults/{vault_id}/changes?after=N`, as CBOR.
///
/// After N = 0 comes a snapshot: the newest commit and every live record. After any other N come the commits from
/// N + 1 on and the records of those of their objects that are still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullHeader {
    /// Version of the newest account state, read together with the head.
    pub state_version: u64,
    /// Its hash.
    pub state_hash: Digest,
    /// The vault's newest commit.
    pub head: Head,
}

/// The header frame of `GET /v1/states?after=V`, as CBOR. States follow in order, each after the records that it is
/// the first to name and that the newest state still names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatesHeader {
    /// Version of the newest account state.
    pub newest: u64,
}

/// The answer to an accepted push of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pushed {
    /// The vault's head, now durable.
    #[schema(value_type = Object)]
    pub head: Head,
}

/// The answer to an accepted push of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatePushed {
    /// The state's version, now durable.
    pub version: u64,
    /// Its hash.
    #[schema(value_type = String)]
    pub hash: Digest,
}

/// The answer to an upload for healing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Healed {
    /// States that the server took.
    pub states: u32,
    /// Commits that the server took.
    pub commits: u32,
}

/// What a server-sent event of `GET /v1/events` says: "pull". Never more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A vault has a new head.
    Vault {
        /// The vault.
        #[schema(value_type = String)]
        vault_id: VaultId,
        /// Its head's place in the chain.
        seq: u64,
    },
    /// The account has a new state.
    State {
        /// Its version.
        version: u64,
    },
    /// A device has signed in for the first time: look at the devices.
    Device {
        /// The device.
        #[schema(value_type = String)]
        device_id: DeviceId,
    },
}

/// Encodes a header frame's map.
pub fn encode_header<T: Serialize>(header: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(header, &mut bytes).expect("a header of plain values always encodes");
    bytes
}

/// Decodes a header frame's map. Unknown members are ignored.
///
/// # Errors
/// `format`.
pub fn decode_header<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    ciborium::from_reader(bytes)
        .map_err(|_| Refusal::Format.because("a header frame that is not the one expected"))
}
