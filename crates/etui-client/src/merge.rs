//! How two changed copies of one object become one: by the rules of the vault's model.

use etui_chain::{RecordType, Refusal, Refused};
use etui_sync::{Merge, MergedBody};
use etui_vault::{Entry, VaultSettings};

/// Joins entries and vault settings.
pub(crate) struct ModelMerge;

impl Merge for ModelMerge {
    fn merge(
        &self,
        record_type: RecordType,
        base: &[u8],
        ours: &[u8],
        theirs: &[u8],
        now_ms: u64,
    ) -> Result<MergedBody, Refused> {
        match record_type {
            RecordType::Entry => merge_entries(base, ours, theirs, now_ms),
            RecordType::VaultSettings => merge_settings(base, ours, theirs),
            _ => Err(Refusal::Format.because("only entries and vault settings are merged")),
        }
    }
}

fn merge_entries(base: &[u8], ours: &[u8], theirs: &[u8], now_ms: u64) -> Result<MergedBody, Refused> {
    let base = if base.is_empty() { None } else { Some(Entry::decode(base)?) };
    let merged = etui_vault::merge(base.as_ref(), &Entry::decode(ours)?, &Entry::decode(theirs)?, now_ms);
    Ok(MergedBody { body: merged.entry.encode()?, conflict: !merged.conflicts.is_empty() })
}

fn merge_settings(base: &[u8], ours: &[u8], theirs: &[u8]) -> Result<MergedBody, Refused> {
    let theirs = VaultSettings::decode(theirs)?;
    let base = VaultSettings::decode(base)?;
    let merged = VaultSettings::merge(&base, &VaultSettings::decode(ours)?, &theirs);
    Ok(MergedBody { body: merged.encode()?, conflict: false })
}
