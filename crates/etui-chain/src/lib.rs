//! What both sides verify and neither can fake.
//!
//! Ids, record headers, signed commits with their Merkle root, and the signed account state, as `spec/crypto.md`
//! lays them down byte for byte. Nothing here holds a secret, opens a record, reads a clock or draws a random
//! number: the server and every client run the same checks on the same bytes.
//!
//! Each check that fails answers with a [`Refused`]: one of the names of `spec/crypto.md` and what was being read.

mod cbor;
mod commit;
mod head_code;
mod id;
mod ledger;
mod live;
mod record;
mod refusal;
mod state;

pub use cbor::{decode_deterministic, encode_deterministic};
pub use commit::{Change, Commit, CommitDraft, MAX_CHANGES, Op};
pub use head_code::head_code;
pub use id::{AccountId, DeviceId, Digest, Id, KeysetId, ObjectId, PublicKey, Signature, VaultId};
pub use ledger::{Head, Ledger, check_newest, check_record};
pub use live::{Leaf, LiveSet, tree_root};
pub use record::{
    ExpectedHeader, LAST_PART, MIN_RECORD_BYTES, RECORD_OVERHEAD_BYTES, RecordHeader, RecordType, SCHEMA,
    SUITE, parts_hash, record_hash,
};
pub use refusal::{Refusal, Refused};
pub use state::{
    KdfDescriptor, KeysetEntry, KeysetKind, MAX_STATE_BYTES, ROLE_OWNER, State, StateBody, Succession,
    VaultEntry,
};
