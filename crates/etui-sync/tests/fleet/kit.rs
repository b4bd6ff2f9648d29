//! What both suites build on: an account, the honest server, the local store and devices, in one process.

pub(crate) mod device;
pub(crate) mod server;
pub(crate) mod store;
pub(crate) mod vault;
pub(crate) mod wire;

use std::cell::Cell;

use etui_chain::{AccountId, Digest, RecordHeader, RecordType, Refusal, Refused, VaultId};
use etui_crypto::{
    KdfParameters, Keyset, KeysetKey, RandomSource, RecoveryKey, SigningKey, open_entry, open_vault_settings,
    random_id,
};
use etui_sync::{AccountDraft, Context, Merge, MergedBody, VaultKeys, create_account};
use zeroize::Zeroizing;

use device::Device;
use server::Server;

/// Bytes that never repeat and can be predicted.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    seed: u64,
    counter: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, counter: 0 }
    }
}

impl RandomSource for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            self.counter += 1;
            let block = Digest::of(&[&self.seed.to_be_bytes(), &self.counter.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
    }
}

/// What every unlocked device of the account knows.
pub(crate) struct Account {
    pub(crate) vault_id: VaultId,
    pub(crate) keyset: Keyset,
    pub(crate) vault_keys: VaultKeys,
    clock: Cell<u64>,
}

impl Account {
    /// Signs up: the account, the server that took it, and the first device.
    pub(crate) fn found(seed: u64) -> (Self, Server, Device) {
        let mut random = Random::new(seed);
        let account_id = random_id(&mut random).unwrap();
        let device_id = random_id(&mut random).unwrap();
        let device_key = SigningKey::generate(&mut random);
        let keyset = Keyset::generate(account_id, None, &mut random);
        let draft = AccountDraft {
            account_id,
            device_id,
            device_key: &device_key,
            kdf: KdfParameters { m_kib: 128 << 10, t: 4, p: 5 }.describe([7; 32], false),
            master_key: &keyset_key(account_id, &mut random),
            keyset: &keyset,
            account_settings: b"{}",
            vault_settings: b"",
            now_ms: 1,
        };
        let (new, vault_keys) = create_account(&draft, &mut random).unwrap();
        let server = Server::sign_up(&new.frames(&[0xa0])).unwrap();
        let vault_id = new.state().vaults[0].id;
        let device = Device::new(device_key, random, new.into_step(device_id).unwrap());
        (Self { vault_id, keyset, vault_keys, clock: Cell::new(1) }, server, device)
    }

    /// The next tick of the one clock.
    pub(crate) fn now(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    pub(crate) fn context<'a>(&'a self, device_key: &'a SigningKey, random: &'a mut Random) -> Context<'a> {
        Context { vault_keys: &self.vault_keys, device_key, merge: &Bodies, random, now_ms: self.now() }
    }

    /// The body of a vault object's record.
    pub(crate) fn open(&self, vault_id: VaultId, record: &[u8]) -> String {
        let header = RecordHeader::parse(record).unwrap();
        let key = self.vault_keys.get(vault_id, header.epoch).unwrap();
        let body = match header.record_type {
            RecordType::Entry => open_entry(key, header.object_id.into(), header.version, None, record),
            _ => open_vault_settings(key, header.version, None, record),
        };
        String::from_utf8(body.unwrap().to_vec()).unwrap()
    }
}

/// A way of unlocking that costs no key derivation.
pub(crate) fn keyset_key(account_id: AccountId, random: &mut Random) -> KeysetKey {
    KeysetKey::from_recovery(&RecoveryKey::generate(random), account_id)
}

/// Entries merge as in the product; settings are a set of lines here.
struct Bodies;

impl Merge for Bodies {
    fn merge(
        &self,
        record_type: RecordType,
        base: &[u8],
        ours: &[u8],
        theirs: &[u8],
        now_ms: u64,
    ) -> Result<MergedBody, Refused> {
        if record_type == RecordType::VaultSettings {
            return Ok(MergedBody { body: joined_lines(ours, theirs)?, conflict: false });
        }
        let entry = etui_vault::Entry::decode;
        let base = if base.is_empty() { None } else { Some(entry(base)?) };
        let merged = etui_vault::merge(base.as_ref(), &entry(ours)?, &entry(theirs)?, now_ms);
        Ok(MergedBody { body: merged.entry.encode()?, conflict: !merged.conflicts.is_empty() })
    }
}

fn joined_lines(ours: &[u8], theirs: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|_| Refusal::Format.because("settings that are no lines of text"))
    };
    let theirs = text(theirs)?;
    let ours = text(ours)?.lines().filter(|line| theirs.lines().all(|their_line| their_line != *line));
    let lines: Vec<_> = theirs.lines().chain(ours).collect();
    Ok(Zeroizing::new(lines.join("\n").into_bytes()))
}
