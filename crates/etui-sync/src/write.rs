//! What makes a step durable.

use std::collections::{BTreeMap, BTreeSet};

use etui_chain::{Digest, ObjectId, VaultId};

use crate::{Engine, Notice};

/// One change of the local store. The writes of a step are applied in one transaction, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Keep a verified state.
    State {
        /// Its version.
        version: u64,
        /// The state.
        bytes: Vec<u8>,
    },
    /// Keep a record that a verified state names.
    NamedRecord {
        /// Its hash, by which states name it.
        hash: Digest,
        /// The sealed record.
        bytes: Vec<u8>,
    },
    /// Keep a verified commit.
    Commit {
        /// Its vault.
        vault_id: VaultId,
        /// Its place in the chain.
        seq: u64,
        /// The commit.
        bytes: Vec<u8>,
    },
    /// Keep an object's verified record in place of the one before.
    Object {
        /// Its vault.
        vault_id: VaultId,
        /// The object.
        object_id: ObjectId,
        /// Its version.
        version: u64,
        /// Hash of the record.
        hash: Digest,
        /// The sealed record.
        record: Vec<u8>,
    },
    /// Note that an object is gone for ever and drop its record.
    Purged {
        /// Its vault.
        vault_id: VaultId,
        /// The object.
        object_id: ObjectId,
    },
    /// Keep an unsent change in place of the object's earlier one.
    Outbox {
        /// Its vault.
        vault_id: VaultId,
        /// The object.
        object_id: ObjectId,
        /// [`crate::Pending::to_bytes`].
        bytes: Vec<u8>,
    },
    /// Drop an object's unsent change.
    OutboxDone {
        /// Its vault.
        vault_id: VaultId,
        /// The object.
        object_id: ObjectId,
    },
    /// Keep the commit on its way, or note that there is none.
    InFlight {
        /// Its vault.
        vault_id: VaultId,
        /// [`crate::InFlight::to_bytes`].
        bytes: Option<Vec<u8>>,
    },
    /// Keep the state on its way, or note that there is none.
    StateInFlight {
        /// [`crate::StateInFlight::to_bytes`].
        bytes: Option<Vec<u8>>,
    },
    /// Drop what belongs to a branch that is left: what comes after the common states and commits, every record and
    /// every unsent change. What follows in the same transaction puts all of it anew.
    Leave {
        /// The newest common state.
        common_version: u64,
        /// The newest common commit of each vault that is gone over.
        common_seqs: BTreeMap<VaultId, u64>,
        /// The records that the remaining states name.
        named_records: BTreeSet<Digest>,
    },
}

/// The outcome of an operation: go on with `engine` once `writes` are durable.
#[derive(Debug)]
#[must_use = "a step has no effect until its writes are durable and its engine is used"]
pub struct Step {
    /// The engine after the operation.
    pub engine: Engine,
    /// What makes it durable.
    pub writes: Vec<Write>,
    /// What a person should be told.
    pub notices: Vec<Notice>,
    /// Objects whose shown content changed, so that an index can follow.
    pub touched: Vec<(VaultId, ObjectId)>,
}
