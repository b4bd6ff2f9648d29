//! A victim with an unsent edit, another device two commits ahead, and the server between them.

use etui_chain::{
    Change, Commit, CommitDraft, Leaf, LiveSet, ObjectId, Op, Refusal, State, StateBody, VaultId,
};
use etui_crypto::{KdfParameters, SigningKey};
use etui_sync::{EngineError, Pull, StateFrames, Step};
use etui_vault::{Edit, Entry, EntryType, FieldPath, apply};

use super::kit::{
    Account,
    device::{Device, fingerprint},
    server::Server,
    vault::successor,
    wire::Wire,
};

pub(crate) struct Scene {
    pub(crate) account: Account,
    pub(crate) wire: Wire,
    pub(crate) victim: Device,
    pub(crate) other: Device,
    pub(crate) vault_id: VaultId,
    /// Changed twice by the other device since the victim pulled.
    pub(crate) entry: ObjectId,
    /// The server between those two changes.
    pub(crate) half_way: Server,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (account, server, mut victim) = Account::found(100);
        let vault_id = account.vault_id;
        let mut wire = Wire::to(server);
        let entry = victim.create(&account, vault_id, &body(&account, "first")).unwrap();
        let second = victim.create(&account, vault_id, &body(&account, "second")).unwrap();
        victim.sync(&account, &mut wire);
        let mut other = Device::join(&account, &wire.server, 200);
        other.sync(&account, &mut wire);
        for title in ["above the signed head", "further above"] {
            other.create(&account, vault_id, &body(&account, title)).unwrap();
            other.sync(&account, &mut wire);
        }
        victim.sync(&account, &mut wire);

        change(&account, &mut other, vault_id, entry, "theirs");
        other.create(&account, vault_id, &body(&account, "third")).unwrap();
        other.sync(&account, &mut wire);
        let half_way = wire.server.clone();
        change(&account, &mut other, vault_id, entry, "theirs again");
        other.sync(&account, &mut wire);
        change(&account, &mut victim, vault_id, second, "mine");
        Self { account, wire, victim, other, vault_id, entry, half_way }
    }

    /// What an honest server answers to the victim.
    pub(crate) fn pull(&self) -> Pull {
        self.wire.server.changes(self.vault_id, self.victim.engine.head(&self.vault_id).seq)
    }

    /// The honest answer with another first commit, signed by a device that may.
    pub(crate) fn pull_with(&self, alter: impl FnOnce(&mut CommitDraft)) -> Pull {
        let mut pull = self.pull();
        pull.commits[0] = resign(&pull.commits[0], &self.other.key, alter);
        pull
    }

    /// The victim's state with a change, signed by the account's own identity.
    pub(crate) fn state_with(&self, alter: impl FnOnce(&mut StateBody)) -> State {
        let mut body = successor(&self.account, &self.victim);
        alter(&mut body);
        self.account.keyset.identity().sign_state(body)
    }

    pub(crate) fn pull_is_refused(&mut self, what: &str, refusal: Refusal, pull: Pull) {
        let vault_id = self.vault_id;
        self.is_refused(what, refusal, |account, victim| victim.accept_pull(account, vault_id, pull));
    }

    pub(crate) fn state_is_refused(&mut self, what: &str, refusal: Refusal, state: State) {
        let frames = StateFrames { states: vec![state], named_records: Vec::new() };
        self.states_are_refused(what, refusal, frames);
    }

    pub(crate) fn states_are_refused(&mut self, what: &str, refusal: Refusal, frames: StateFrames) {
        self.is_refused(what, refusal, |_, victim| Ok(victim.engine.accept_states(frames)?));
    }

    /// Exactly this refusal; engine, store and outbox are as they were.
    pub(crate) fn is_refused(
        &mut self,
        what: &str,
        refusal: Refusal,
        attack: impl FnOnce(&Account, &mut Device) -> Result<Step, EngineError>,
    ) {
        let before = (fingerprint(&self.victim.engine), self.victim.store.clone());
        match attack(&self.account, &mut self.victim) {
            Ok(_) => panic!("{what}: accepted"),
            Err(EngineError::Refused(refused)) => assert_eq!(refused.refusal, refusal, "{what}: {refused}"),
            Err(error) => panic!("{what}: {error}"),
        }
        let after = (fingerprint(&self.victim.engine), self.victim.store.clone());
        assert!(before == after, "{what}: a refusal changes nothing");
        assert_eq!(self.victim.engine.unsent(), 1, "{what}: the edit still waits");
    }

    /// The honest server is back: everything arrives, and the edit that waited reaches the other device.
    pub(crate) fn converges(mut self) {
        self.victim.sync(&self.account, &mut self.wire);
        self.other.sync(&self.account, &mut self.wire);
        assert_eq!(self.victim.engine.head_code(), self.other.engine.head_code());
        let seen: Vec<String> = self
            .other
            .visible(self.vault_id)
            .into_iter()
            .map(|object_id| self.other.body(&self.account, self.vault_id, object_id))
            .collect();
        for value in ["mine", "theirs", "theirs again", "third"] {
            assert!(seen.iter().any(|body| body.contains(value)), "{value} is lost");
        }
    }
}

/// The same commit with a change, signed anew.
pub(crate) fn resign(commit: &Commit, key: &SigningKey, alter: impl FnOnce(&mut CommitDraft)) -> Commit {
    let mut draft = CommitDraft::clone(commit);
    alter(&mut draft);
    key.sign_commit(draft)
}

/// Root and count after the changes, as an honest signer states them.
pub(crate) fn with_root(mut draft: CommitDraft, before: &[Leaf]) -> CommitDraft {
    let gone = |leaf: &&Leaf| draft.changes.iter().all(|change| change.object_id != leaf.object_id);
    let put = draft.changes.iter().filter(|change| change.op == Op::Put).map(leaf_of);
    let live = LiveSet::from_leaves(before.iter().filter(gone).copied().chain(put).collect()).unwrap();
    (draft.root, draft.live) = (live.root(), u32::try_from(live.len()).unwrap());
    draft
}

fn leaf_of(change: &Change) -> Leaf {
    Leaf { object_id: change.object_id, version: change.version, record_hash: change.record_hash }
}

pub(crate) const PINNED: KdfParameters = KdfParameters { m_kib: 128 << 10, t: 4, p: 5 };

pub(crate) fn body(account: &Account, title: &str) -> Vec<u8> {
    Entry::new(EntryType::Login, title, account.now()).encode().unwrap().to_vec()
}

pub(crate) fn change(
    account: &Account,
    device: &mut Device,
    vault_id: VaultId,
    entry: ObjectId,
    notes: &str,
) {
    let before = Entry::decode(device.body(account, vault_id, entry).as_bytes()).unwrap();
    let edit = Edit::Set { path: FieldPath::Notes, value: notes.into() };
    let after = apply(&before, &[edit], account.now()).unwrap();
    device.change(account, vault_id, entry, &after.encode().unwrap()).unwrap();
}
