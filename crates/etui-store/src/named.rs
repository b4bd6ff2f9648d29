//! The records that a state names: which there are, and whether a record is the one named.

use std::collections::BTreeMap;

use bytes::Bytes;
use etui_api::limits::MAX_RECORD_BYTES;
use etui_chain::{
    AccountId, Digest, ExpectedHeader, Id, LAST_PART, RecordHeader, RecordType, Refusal, Refused, SCHEMA,
    StateBody, record_hash,
};

/// One mention of a record in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) record_hash: Digest,
    record_type: RecordType,
    object_id: Id,
    /// Absent for account settings, whose version no state gives.
    version: Option<u64>,
}

/// Every record that the state names (`spec/crypto.md`, "Record", the table of types).
pub(crate) fn places(state: &StateBody) -> impl Iterator<Item = Place> + '_ {
    let keysets = state.keysets.iter().map(|keyset| Place {
        record_hash: keyset.record_hash,
        record_type: RecordType::Keyset,
        object_id: keyset.id.id(),
        version: Some(keyset.version),
    });
    let vault_keys = state.vaults.iter().flat_map(|vault| {
        vault.keys.iter().map(|(epoch, record_hash)| Place {
            record_hash: *record_hash,
            record_type: RecordType::VaultKey,
            object_id: vault.id.id(),
            version: Some(u64::from(*epoch)),
        })
    });
    let settings = state.settings_hash.map(|record_hash| Place {
        record_hash,
        record_type: RecordType::AccountSettings,
        object_id: state.account_id.id(),
        version: None,
    });
    keysets.chain(vault_keys).chain(settings)
}

/// Uploaded records by their hashes.
#[derive(Debug)]
pub(crate) struct Uploaded(BTreeMap<Digest, Bytes>);

impl Uploaded {
    /// # Errors
    /// `limit` for a record that is too large, `extra` for one that came twice.
    pub(crate) fn new(records: Vec<Bytes>) -> Result<Self, Refused> {
        let mut by_hash = BTreeMap::new();
        for record in records {
            if record.len() > MAX_RECORD_BYTES {
                return Err(Refusal::Limit.because("a record is too large"));
            }
            if by_hash.insert(record_hash(&record), record).is_some() {
                return Err(Refusal::Extra.because("a named record was delivered twice"));
            }
        }
        Ok(Self(by_hash))
    }

    /// Takes the record that belongs in the place.
    ///
    /// # Errors
    /// `missing` if it was not uploaded; as [`RecordHeader::check`] if it belongs elsewhere.
    pub(crate) fn take(&mut self, place: &Place, account_id: AccountId) -> Result<Bytes, Refused> {
        const MISSING: Refused = Refusal::Missing.because("a record that the state names was not delivered");
        let record = self.0.remove(&place.record_hash).ok_or(MISSING)?;
        RecordHeader::parse(&record)?.check(&ExpectedHeader {
            record_type: place.record_type,
            schema: SCHEMA,
            container_id: account_id.id(),
            object_id: place.object_id,
            version: place.version,
            epoch: None,
            part: LAST_PART,
        })?;
        Ok(record)
    }

    /// # Errors
    /// `extra` if a record is left that the state does not newly name.
    pub(crate) fn expect_empty(&self) -> Result<(), Refused> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Extra.because("a record was delivered that the state does not newly name"))
        }
    }
}
