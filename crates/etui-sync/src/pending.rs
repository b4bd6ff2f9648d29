//! What waits to be sent, and what is on its way.

use std::sync::Arc;

use etui_chain::{Change, Commit, Digest, ObjectId, Op, RecordType, Refusal, Refused, State, record_hash};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The verified record that a pending change was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its version.
    pub version: u64,
    /// The sealed record.
    #[serde(with = "serde_bytes")]
    pub record: Vec<u8>,
}

/// What is to become of the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PendingChange {
    /// It gets this record, sealed for the version after the base.
    Put {
        /// Entry or vault settings.
        #[serde(with = "record_type")]
        record_type: RecordType,
        /// The sealed record.
        #[serde(with = "serde_bytes")]
        record: Vec<u8>,
    },
    /// It goes for ever.
    Purge,
}

/// One object's unsent change. At most one per object: a further edit replaces it on the same base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The object.
    pub object_id: ObjectId,
    /// What it was made on; `None` for a new object.
    pub base: Option<Base>,
    /// What is to become of it.
    pub change: PendingChange,
}

impl Pending {
    /// The version that the object gets.
    pub fn version(&self) -> u64 {
        self.base.as_ref().map_or(1, |base| base.version + 1)
    }

    /// The sealed record of a put.
    pub fn record(&self) -> Option<&[u8]> {
        match &self.change {
            PendingChange::Put { record, .. } => Some(record),
            PendingChange::Purge => None,
        }
    }

    /// Whether the server has never had the object.
    pub const fn is_new(&self) -> bool {
        self.base.is_none()
    }

    /// The form in which the local store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `format`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        decode(bytes)
    }

    pub(crate) fn to_change(&self) -> Change {
        let (op, record_hash) = match &self.change {
            PendingChange::Put { record, .. } => (Op::Put, record_hash(record)),
            PendingChange::Purge => (Op::Purge, Digest::ZERO),
        };
        Change { object_id: self.object_id, version: self.version(), op, record_hash }
    }
}

/// A signed commit on its way, with the changes it was made of. The same bytes are sent until the server shows another
/// head or a newer state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The commit.
    pub commit: Commit,
    /// Its changes with their records and bases, by ascending object id.
    pub changes: Vec<Arc<Pending>>,
}

impl InFlight {
    /// The change of an object, if the commit has one.
    pub fn change(&self, object_id: &ObjectId) -> Option<&Arc<Pending>> {
        self.changes.iter().find(|pending| pending.object_id == *object_id)
    }

    /// How many objects more there are after it than before.
    pub fn added(&self) -> usize {
        let new = self.changes.iter().filter(|change| change.is_new()).count();
        new.saturating_sub(self.changes.iter().filter(|change| change.change == PendingChange::Purge).count())
    }

    /// The form in which the local store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let changes = self.changes.iter().map(|pending| Pending::clone(pending)).collect();
        encode(&StoredInFlight { signed: self.commit.as_bytes().to_vec(), changes })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `format`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let stored: StoredInFlight = decode(bytes)?;
        let changes = stored.changes.into_iter().map(Arc::new).collect();
        Ok(Self { commit: Commit::parse(&stored.signed)?, changes })
    }
}

/// A signed state on its way, with the records that it newly names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateInFlight {
    /// The state.
    pub state: State,
    /// The records that it newly names.
    pub named_records: Vec<Vec<u8>>,
}

impl StateInFlight {
    /// The form in which the local store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let named_records = self.named_records.iter().cloned().map(serde_bytes::ByteBuf::from).collect();
        encode(&StoredStateInFlight { signed: self.state.as_bytes().to_vec(), named_records })
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// `format`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refused> {
        let stored: StoredStateInFlight = decode(bytes)?;
        let named_records = stored.named_records.into_iter().map(serde_bytes::ByteBuf::into_vec).collect();
        Ok(Self { state: State::parse(&stored.signed)?, named_records })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredInFlight {
    #[serde(with = "serde_bytes")]
    signed: Vec<u8>,
    changes: Vec<Pending>,
}

#[derive(Serialize, Deserialize)]
struct StoredStateInFlight {
    #[serde(with = "serde_bytes")]
    signed: Vec<u8>,
    named_records: Vec<serde_bytes::ByteBuf>,
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("plain values always encode");
    bytes
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    ciborium::from_reader(bytes)
        .map_err(|_| Refusal::Format.because("a row of the outbox that cannot be read"))
}

mod record_type {
    use etui_chain::RecordType;
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(value: &RecordType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*value as u8)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
        RecordType::from_number(u8::deserialize(deserializer)?)
            .ok_or_else(|| de::Error::custom("an unknown record type"))
    }
}
