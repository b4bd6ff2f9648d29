//! A client that signs what a real one would, around records that nobody can open.

use std::collections::BTreeMap;

use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use etui_api::session::Method;
use etui_chain::{
    AccountId, Change, Commit, CommitDraft, DeviceId, Digest, Head, Id, KdfDescriptor, KeysetEntry, KeysetId,
    KeysetKind, LAST_PART, Ledger, LiveSet, ObjectId, Op, PublicKey, ROLE_OWNER, RecordHeader, RecordType,
    SCHEMA, SUITE, Signature, State, StateBody, VaultEntry, VaultId, record_hash,
};
use etui_store::{
    Admission, Authority, Begun, Claim, CommitUpload, CredentialChange, LoginHash, NewAccount, NewSession,
    SessionId, StateUpload, Store,
};

/// A time, in ms since 1970.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
pub(crate) const DAY_MS: u64 = 86_400_000;

/// A claim to an account that there may not be.
pub(crate) fn claim_of(account_id: AccountId) -> Claim {
    let claim = serde_json::json!({ "account_id": account_id, "credentials_version": 0 });
    serde_json::from_value(claim).expect("a claim is plain JSON")
}

/// One device with everything its account has.
#[derive(Clone)]
pub(crate) struct Client {
    seed: u64,
    counter: u64,
    pub(crate) account_id: AccountId,
    pub(crate) device_id: DeviceId,
    pub(crate) identity: SigningKey,
    pub(crate) device_key: SigningKey,
    pub(crate) state: Option<State>,
    pub(crate) vaults: BTreeMap<VaultId, Vault>,
}

/// A vault as the client has it.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(crate) ledger: Ledger,
    pub(crate) records: BTreeMap<ObjectId, Bytes>,
    pub(crate) commits: Vec<Commit>,
}

/// The hash that every account here has.
pub(crate) const LOGIN_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA";

pub(crate) fn login_password() -> CredentialChange {
    CredentialChange::LoginPassword(Some(LoginHash::new(LOGIN_HASH.to_owned())))
}

/// What an edit does to an object.
#[derive(Clone, Copy)]
pub(crate) enum Edit {
    /// A new version with a record of so many bytes beyond the fixed ones.
    Put(ObjectId, usize),
    Purge(ObjectId),
}

impl Client {
    pub(crate) fn new(seed: u64) -> Self {
        let key = |name: &str| {
            SigningKey::from_bytes(Digest::of(&[name.as_bytes(), &seed.to_be_bytes()]).as_bytes())
        };
        let mut client = Self {
            seed,
            counter: 0,
            account_id: AccountId::new([1; 16]).unwrap(),
            device_id: DeviceId::new([1; 16]).unwrap(),
            identity: key("identity"),
            device_key: key("device"),
            state: None,
            vaults: BTreeMap::new(),
        };
        client.account_id = client.id();
        client.device_id = client.id();
        client
    }

    /// An id that was not given before.
    pub(crate) fn id<T: From<Id>>(&mut self) -> T {
        let bytes: [u8; 16] = self.digest().as_bytes()[..16].try_into().unwrap();
        Id::new(bytes).unwrap().into()
    }

    /// A digest that was not given before.
    pub(crate) fn digest(&mut self) -> Digest {
        self.counter += 1;
        Digest::of(&[&self.seed.to_be_bytes(), &self.counter.to_be_bytes()])
    }

    /// From now on gives no id or digest that the other has given, which was a copy of this one.
    pub(crate) fn draw_beyond(&mut self, copy: &Self) {
        self.counter = self.counter.max(copy.counter);
    }

    pub(crate) fn email(&self) -> String {
        format!("person-{}@example.org", self.seed)
    }

    pub(crate) fn session(&mut self) -> NewSession {
        let session_id = SessionId::new(self.id());
        let (refresh_hash, expires_ms) = (self.digest(), NOW_MS + DAY_MS);
        NewSession { session_id, refresh_hash, expires_ms, method: Method::LoginPassword, is_present: true }
    }

    /// A session of this device with a store that knows its account.
    pub(crate) async fn sign_in(&mut self, store: &Store) -> Authority {
        self.sign_in_as(store, self.device_id).await.authority
    }

    /// A session of a device.
    pub(crate) async fn sign_in_as(&mut self, store: &Store, device_id: DeviceId) -> Begun {
        let (claim, session) = (self.claim(store).await, self.session());
        store.create_session(claim, device_id, session, |_| Ok(None), NOW_MS).await.unwrap()
    }

    /// What somebody would have proven about its account now.
    pub(crate) async fn claim(&self, store: &Store) -> Claim {
        store.login(&self.email()).await.unwrap().expect("it has an account").claim
    }

    /// Signs up with one keyset and one vault that holds its settings.
    pub(crate) fn sign_up(&mut self) -> (NewAccount, VaultId) {
        let (upload, vault_id) = self.first_state();
        (self.new_account(upload), vault_id)
    }

    pub(crate) fn new_account(&mut self, upload: StateUpload) -> NewAccount {
        NewAccount {
            email: self.email(),
            admission: Admission::Open { at_home: true },
            credentials: vec![login_password()],
            sends_mail: false,
            device_id: self.device_id,
            upload,
            session: self.session(),
        }
    }

    pub(crate) fn first_state(&mut self) -> (StateUpload, VaultId) {
        let vault_id: VaultId = self.id();
        let keyset_id: KeysetId = self.id();
        let keyset = self.record(RecordType::Keyset, self.account_id, keyset_id.id(), 1, 0, 512);
        let vault_key = self.record(RecordType::VaultKey, self.account_id, vault_id.id(), 0, 0, 512);
        let body = StateBody {
            account_id: self.account_id,
            version: 1,
            previous: Digest::ZERO,
            time_ms: NOW_MS,
            identity_key: PublicKey::new(self.identity.verifying_key().to_bytes()),
            kdf: KdfDescriptor { salt: [7; 32], m_kib: 65_536, t: 3, p: 4, sk_used: false },
            keysets: vec![KeysetEntry {
                id: keyset_id,
                kind: KeysetKind::Master,
                version: 1,
                record_hash: record_hash(&keyset),
            }],
            devices: vec![(self.device_id, PublicKey::new(self.device_key.verifying_key().to_bytes()))],
            vaults: vec![VaultEntry {
                id: vault_id,
                role: ROLE_OWNER,
                epoch: 0,
                head_seq: 0,
                head_hash: Digest::ZERO,
                keys: vec![(0, record_hash(&vault_key))],
            }],
            minimum_suite: SUITE,
            settings_hash: None,
        };
        let state = self.sign_state(body);
        self.state = Some(state.clone());
        let first = self.first_commit(vault_id);
        (StateUpload { state, named_records: vec![keyset, vault_key], first_commits: vec![first] }, vault_id)
    }

    /// Commit 1 of a vault that the state lists, and takes it.
    pub(crate) fn first_commit(&mut self, vault_id: VaultId) -> CommitUpload {
        let vault = Vault { ledger: Ledger::empty(vault_id), records: BTreeMap::new(), commits: Vec::new() };
        self.vaults.insert(vault_id, vault);
        let upload = self.edit(vault_id, &[Edit::Put(vault_id.id().into(), 512)]);
        self.take(&upload);
        upload
    }

    pub(crate) fn newest(&self) -> &State {
        self.state.as_ref().expect("signed up")
    }

    /// The body of the state that comes next, with the heads as they are; the caller changes what it likes.
    pub(crate) fn next_body(&self) -> StateBody {
        let newest = self.newest();
        let mut body = StateBody::clone(newest);
        body.version += 1;
        body.previous = newest.hash();
        for listed in &mut body.vaults {
            let head = self.vaults[&listed.id].ledger.head();
            (listed.head_seq, listed.head_hash) = (head.seq, head.hash);
        }
        body
    }

    pub(crate) fn sign_state(&self, body: StateBody) -> State {
        let signature = self.identity.sign(&body.signing_message());
        body.sign_with(vec![Signature::new(signature.to_bytes())])
    }

    /// A state that brings nothing but itself.
    pub(crate) fn bare_state(&self) -> StateUpload {
        StateUpload {
            state: self.sign_state(self.next_body()),
            named_records: Vec::new(),
            first_commits: Vec::new(),
        }
    }

    /// The draft and the records of a commit onto the head as the client has it.
    pub(crate) fn draft(&mut self, vault_id: VaultId, edits: &[Edit]) -> (CommitDraft, Vec<Bytes>) {
        let vault = self.vaults[&vault_id].clone();
        let epoch = self.newest().vault(&vault_id).unwrap().epoch;
        let mut changes = BTreeMap::new();
        for edit in edits {
            let (Edit::Put(object_id, _) | Edit::Purge(object_id)) = *edit;
            let version = vault.ledger.live().get(&object_id).map_or(0, |leaf| leaf.version) + 1;
            let (op, record) = match *edit {
                Edit::Purge(_) => (Op::Purge, None),
                Edit::Put(_, length) => {
                    let is_settings = object_id.id() == vault_id.id();
                    let kind = if is_settings { RecordType::VaultSettings } else { RecordType::Entry };
                    (Op::Put, Some(self.record(kind, vault_id, object_id.id(), version, epoch, length)))
                }
            };
            let record_hash = record.as_ref().map_or(Digest::ZERO, |record| record_hash(record));
            changes.insert(object_id, (Change { object_id, version, op, record_hash }, record));
        }
        let records = changes.values().filter_map(|(_, record)| record.clone()).collect();
        let head = vault.ledger.head();
        let mut draft = CommitDraft {
            vault_id,
            seq: head.seq + 1,
            prev_hash: head.hash,
            epoch,
            device_id: self.device_id,
            time_ms: NOW_MS,
            state_hash: self.newest().hash(),
            changes: changes.into_values().map(|(change, _)| change).collect(),
            root: Digest::ZERO,
            live: 0,
        };
        complete(&mut draft, vault.ledger.live());
        (draft, records)
    }

    pub(crate) fn sign(&self, draft: CommitDraft) -> Commit {
        let signature = self.device_key.sign(&draft.signing_message());
        draft.sign_with(Signature::new(signature.to_bytes()))
    }

    /// A commit onto the head as the client has it.
    pub(crate) fn edit(&mut self, vault_id: VaultId, edits: &[Edit]) -> CommitUpload {
        let (draft, records) = self.draft(vault_id, edits);
        CommitUpload { commit: self.sign(draft), records }
    }

    /// Takes a commit that the server has taken.
    pub(crate) fn take(&mut self, upload: &CommitUpload) {
        let commit = &upload.commit;
        let state = self.state.clone().unwrap();
        let vault = self.vaults.get_mut(&commit.vault_id).unwrap();
        vault.ledger = vault.ledger.advance(commit, &state).unwrap();
        vault.commits.push(commit.clone());
        let mut records = upload.records.iter();
        for change in &commit.changes {
            match change.op {
                Op::Put => vault.records.insert(change.object_id, records.next().unwrap().clone()),
                Op::Purge => vault.records.remove(&change.object_id),
            };
        }
    }

    pub(crate) fn head(&self, vault_id: VaultId) -> Head {
        self.vaults[&vault_id].ledger.head()
    }

    /// A record whose public part is right and whose sealed part is noise.
    pub(crate) fn record(
        &mut self,
        record_type: RecordType,
        container_id: impl Into<Id>,
        object_id: Id,
        version: u64,
        epoch: u32,
        length: usize,
    ) -> Bytes {
        let salt = *self.digest().as_bytes();
        let container_id = container_id.into();
        let header = RecordHeader {
            record_type,
            schema: SCHEMA,
            container_id,
            object_id,
            version,
            epoch,
            part: LAST_PART,
            salt,
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(salt.iter().cycle().take(48 + length));
        bytes.into()
    }
}

/// Gives a draft the root and the count that its changes lead to, where they lead anywhere.
pub(crate) fn complete(draft: &mut CommitDraft, live: &LiveSet) {
    if let Ok(live) = live.after(&draft.changes) {
        draft.root = live.root();
        draft.live = u32::try_from(live.len()).unwrap();
    }
}
