//! One of two stores that are asked the same.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use etui_api::frame::{Frame, FrameReader};
use etui_chain::{AccountId, DeviceId, Digest, ObjectId, VaultId};
use etui_store::{
    Admission, Authority, Claim, CommitUpload, CredentialChange, Exchange, FrameStream, HealUpload, Identity,
    Invitation, LoginHash, NewAccount, NewPending, NewSession, Pending, Presence, Purpose, Retention,
    SealedTotp, StateUpload, Store, StoreError,
};
use futures_util::TryStreamExt as _;
use tempfile::TempDir;

use super::operation::{Credential, Showing};
use crate::{
    backend::{Backend, Fault},
    client::{claim_of, login_password},
};

/// What is asked: an [operation](super::operation::Operation) with everything in it, so that it can be asked twice.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    SignUp {
        email: String,
        admission: Admission,
        device_id: DeviceId,
        upload: StateUpload,
        session: NewSession,
    },
    SignIn {
        account_id: AccountId,
        device_id: DeviceId,
        session: NewSession,
    },
    Refresh(Exchange),
    FindAddress(String),
    Begin {
        secret: Digest,
        purpose: Purpose,
        account_id: Option<AccountId>,
        tries: u8,
        lifetime: Duration,
    },
    Show {
        secret: Digest,
        purpose: Purpose,
        how: Showing,
    },
    Invite {
        invitation: Invitation,
        first: bool,
    },
    Recognise {
        what: u8,
    },
    Ask {
        session: usize,
        late: bool,
        request: Request,
    },
    Collect(Duration),
    Reopen(Option<Fault>),
    BackUp,
    Restore,
}

/// What is asked in a session.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Touch,
    EndSession,
    EndDevice(DeviceId),
    Push(VaultId, CommitUpload),
    State(StateUpload),
    Changes(VaultId, u64),
    Commits(VaultId, u64),
    States(Option<u64>),
    Record(VaultId, ObjectId),
    NewestState,
    Devices,
    Keysets,
    Heal(HealUpload),
    ReplaceLoginHash { before: &'static str },
    Change { change: Credential, emails: Vec<String> },
    Ways,
    UseTotp(u8),
    UseRecoveryCode(u8),
    Approve(DeviceId),
    DeleteAccount,
}

/// What is answered, in lines that a person can compare: frames as their kinds, lengths and hashes.
pub(crate) type Answer = Result<Vec<String>, String>;

/// Answered where the session has ended.
pub(crate) const NO_SESSION: &str = "no session";

type Answered = Result<Vec<String>, StoreError>;

/// After so long, whatever has changed is due for compaction.
const WEEK_AND_DAY_MS: u64 = 8 * 24 * 3_600_000;

/// A store with what it has given out.
pub(crate) struct Twin {
    pub(crate) backend: Backend,
    pub(crate) store: Store,
    /// Each session as it was when it began.
    authorities: Vec<Authority>,
    /// By which accounts are signed in to.
    emails: HashMap<AccountId, String>,
    pub(crate) backup: TempDir,
    /// How its object store fails.
    fault: Option<Fault>,
}

impl Twin {
    pub(crate) async fn new(backend: Backend) -> Self {
        let store = backend.open().await;
        let backup = tempfile::tempdir().unwrap();
        Self { backend, store, authorities: Vec::new(), emails: HashMap::new(), backup, fault: None }
    }

    /// Asks the store; `other` has the backup that is restored.
    pub(crate) async fn answer(&mut self, call: Call, other: &std::path::Path, now_ms: u64) -> Answer {
        self.try_to_answer(call, other, now_ms).await.map_err(|error| described(&error))
    }

    async fn try_to_answer(&mut self, call: Call, other: &std::path::Path, now_ms: u64) -> Answered {
        match call {
            Call::SignUp { email, admission, device_id, upload, session } => {
                let credentials = vec![login_password()];
                self.emails.insert(upload.state.account_id, email.clone());
                let account = NewAccount {
                    email,
                    admission,
                    credentials,
                    sends_mail: false,
                    device_id,
                    upload,
                    session,
                };
                let authority = self.store.create_account(account, now_ms).await?;
                Ok(self.begun(authority))
            }
            Call::SignIn { account_id, device_id, session } => {
                let claim = self.claim(account_id).await?;
                let begun =
                    self.store.create_session(claim, device_id, session, |_| Ok(None), now_ms).await?;
                let mut lines = self.begun(begun.authority);
                lines.push(format!("new: {}, waits: {}", begun.is_new_device, begun.awaits_approval));
                Ok(lines)
            }
            Call::Refresh(exchange) => {
                let rotation = self.store.rotate_refresh(&exchange, now_ms).await?;
                Ok(vec![format!("{rotation:?}")])
            }
            Call::FindAddress(email) => {
                let login = self.store.login(&email).await?;
                let login =
                    login.map(|login| (login.claim, login.login_hash.map(|hash| hash.expose().to_owned())));
                Ok(vec![format!("{login:?}")])
            }
            Call::Begin { secret: secret_hash, purpose, account_id, tries, lifetime } => {
                let tries = u32::from(tries);
                let claim = match account_id {
                    Some(account_id) => Some(self.claim(account_id).await?),
                    None => None,
                };
                let pending = NewPending { secret_hash, purpose, claim, body: b"begun", tries, lifetime };
                self.store.begin_pending(pending, now_ms).await?;
                Ok(Vec::new())
            }
            Call::Show { secret, purpose, how } => self.show(secret, purpose, how, now_ms).await,
            Call::Invite { invitation, first } => {
                let store = &self.store;
                if first {
                    return Ok(vec![
                        store.invite_first_administrator(&invitation, now_ms).await?.to_string(),
                    ]);
                }
                store.invite(&store.operator(), &invitation, now_ms).await?;
                Ok(vec![format!("{:?}", store.invitation(invitation.secret_hash, now_ms).await?)])
            }
            Call::Recognise { what } => {
                let identity = self.store.account_of_identity(&identity(what), now_ms).await?;
                let passkey = self.store.passkey(&[what]).await?;
                let used = self.store.use_passkey(&[what], b"body", b"body", now_ms).await?;
                Ok(vec![format!("{identity:?} {passkey:?} {used}")])
            }
            Call::Ask { session, late, request } => self.ask(session, late, request, now_ms).await,
            Call::Collect(grace) => self.tidy_up(now_ms, grace).await,
            Call::Reopen(fault) => {
                self.fault = fault;
                self.open_anew().await;
                Ok(Vec::new())
            }
            Call::BackUp => Ok(vec![format!("{:?}", self.store.back_up(self.backup.path()).await?)]),
            Call::Restore => self.restore(other).await,
        }
    }

    /// What somebody would have proven about an account now.
    async fn claim(&self, account_id: AccountId) -> Result<Claim, StoreError> {
        let email = self.emails.get(&account_id).map_or("", String::as_str);
        Ok(self.store.login(email).await?.map_or_else(|| claim_of(account_id), |login| login.claim))
    }

    async fn show(&self, secret: Digest, purpose: Purpose, how: Showing, now_ms: u64) -> Answered {
        let store = &self.store;
        let shown = match how {
            Showing::Look => store.pending(secret, purpose, now_ms).await?,
            Showing::Try => store.try_pending(secret, purpose, now_ms).await?,
            Showing::Take => store.take_pending(secret, purpose, now_ms).await?,
            Showing::Replace => {
                let before = Pending { account_id: None, body: b"begun".to_vec(), created_ms: 0 };
                let replaced =
                    store.replace_pending(secret, purpose, &before, None, b"gone on", now_ms).await?;
                return Ok(vec![replaced.to_string()]);
            }
        };
        Ok(vec![format!("{shown:?}")])
    }

    /// As a week of jobs does.
    async fn tidy_up(&self, now_ms: u64, grace: Duration) -> Answered {
        let store = &self.store;
        let mut lines = vec![format!("{:?}", store.compact_next(now_ms).await?)];
        while let Some(compacted) = store.compact_next(now_ms + WEEK_AND_DAY_MS).await? {
            lines.push(format!("{compacted:?}"));
        }
        lines.push(format!("{:?}", store.give_up_orphans(now_ms, grace).await?));
        lines.push(format!("{:?}", store.collect_garbage(now_ms, grace).await?));
        Ok(lines)
    }

    fn begun(&mut self, authority: Authority) -> Vec<String> {
        let line = format!("{authority:?}");
        self.authorities.push(authority);
        vec![line]
    }

    /// As after a restart.
    pub(crate) async fn open_anew(&mut self) {
        self.store.close().await;
        self.store = match self.fault {
            None => self.backend.open().await,
            Some(fault) => self.backend.open_faulty(fault).await,
        };
    }

    async fn restore(&mut self, backup: &std::path::Path) -> Answered {
        let elsewhere = (self.backend.another)();
        let store = elsewhere.open().await;
        let copied = store.restore(backup).await?;
        self.store.close().await;
        self.backend.remove().await;
        (self.backend, self.store, self.fault) = (elsewhere, store, None);
        Ok(vec![format!("{copied:?}")])
    }

    async fn ask(&self, session: usize, late: bool, request: Request, now_ms: u64) -> Answered {
        let store = &self.store;
        let begun = &self.authorities[session];
        let authority =
            if late { Some(begun.clone()) } else { store.authority(begun.session_id(), now_ms).await? };
        let Some(authority) = authority else { return Ok(vec![NO_SESSION.to_owned()]) };
        let authority = &authority;
        let mut lines = vec![format!("{authority:?}")];
        match request {
            Request::Touch => store.touch(authority, now_ms).await?,
            Request::EndSession => store.end_session(authority, now_ms).await?,
            Request::EndDevice(device_id) => store.end_device_sessions(authority, device_id, now_ms).await?,
            Request::Push(vault_id, upload) => {
                lines.push(format!("{:?}", store.push(authority, vault_id, upload).await?));
            }
            Request::State(upload) => {
                lines.push(format!("{:?}", store.push_state(authority, upload, None, now_ms).await?));
            }
            Request::Heal(upload) => {
                lines.push(format!("{:?}", store.heal(authority, upload, None, now_ms).await?));
            }
            Request::ReplaceLoginHash { before } => {
                let [before, after] =
                    [before, "$argon2id$another"].map(|hash| LoginHash::new(hash.to_owned()));
                store.replace_login_hash(authority.account_id(), &before, &after).await?;
            }
            Request::Change { change, emails } => {
                let fresh = authority.fresh(now_ms)?;
                store.change_credentials(&fresh, credential(change, &emails), None, now_ms).await?;
            }
            Request::UseTotp(step) => {
                let used = store.use_totp_step(authority.account_id(), u64::from(step)).await?;
                let totp = store.totp(authority.account_id()).await?;
                lines.push(format!("{used} {:?}", totp.map(|sealed| sealed.as_bytes().to_vec())));
            }
            Request::UseRecoveryCode(code) => {
                let used = store
                    .use_recovery_code(authority.account_id(), recovery_code(code), None, now_ms)
                    .await?;
                lines.push(used.to_string());
            }
            Request::Approve(device_id) => store.approve_device(authority, device_id, now_ms).await?,
            Request::DeleteAccount => {
                let fresh = store.present(authority.claim(), Presence::TwoFactors, now_ms).await?;
                store.delete_account(&fresh, now_ms, None, now_ms).await?;
                lines.push(format!("{:?}", store.purge(&FOR_EVER, now_ms).await?));
            }
            other => lines.extend(read(store, authority, other, now_ms).await?),
        }
        Ok(lines)
    }
}

/// Nothing is past its time.
const FOR_EVER: Retention = Retention { audit_events: Duration::MAX, known_devices: Duration::MAX };

/// What changes nothing.
async fn read(store: &Store, authority: &Authority, request: Request, now_ms: u64) -> Answered {
    Ok(match request {
        Request::Changes(vault_id, after) => {
            let (header, stream) = store.changes(authority, vault_id, after).await?;
            let mut lines = vec![format!("{header:?}")];
            lines.extend(lines_of(stream).await?);
            lines
        }
        Request::Commits(vault_id, after) => {
            lines_of(store.commits(authority, vault_id, after).await?).await?
        }
        Request::States(after) => lines_of(store.states_after(authority, after).await?).await?,
        Request::Record(vault_id, object_id) => {
            let record = store.record(authority, vault_id, object_id).await?;
            vec![format!("{:?}", record.map(|bytes| Digest::of(&[&bytes])))]
        }
        Request::Ways => vec![format!("{:?}", store.ways(authority.account_id()).await?)],
        Request::NewestState => vec![format!("{:?}", store.newest_state(authority).await?.hash())],
        Request::Devices => vec![format!("{:?}", store.devices(authority, now_ms).await?)],
        Request::Keysets => {
            let keysets = store.keysets(authority).await?;
            let hashes = keysets.keysets.iter().map(|keyset| {
                format!(
                    "{:?} {:?} {} {}",
                    keyset.id,
                    keyset.kind,
                    keyset.version,
                    Digest::of(&[&keyset.record])
                )
            });
            [format!("{:?} {:?}", keysets.account_id, keysets.kdf)].into_iter().chain(hashes).collect()
        }
        other => unreachable!("{other:?} changes something"),
    })
}

fn credential(change: Credential, emails: &[String]) -> CredentialChange {
    let login_hash = |text: &str| LoginHash::new(text.to_owned());
    match change {
        Credential::LoginPassword(some) => {
            CredentialChange::LoginPassword(some.then(|| login_hash("$argon2id$changed")))
        }
        Credential::Email { of, with_password } => CredentialChange::Email {
            email: emails[usize::from(of)].clone(),
            confirmed: of % 2 == 0,
            login_hash: with_password.then(|| login_hash("$argon2id$moved")),
        },
        Credential::LinkIdentity(what) => CredentialChange::LinkIdentity(identity(what)),
        Credential::UnlinkIdentity(what) => CredentialChange::UnlinkIdentity(identity(what)),
        Credential::AddPasskey(what) => CredentialChange::AddPasskey {
            credential_id: vec![what],
            name: "a passkey".to_owned(),
            body: b"body".to_vec(),
        },
        Credential::RemovePasskey(what) => CredentialChange::RemovePasskey { credential_id: vec![what] },
        Credential::SetTotp => CredentialChange::SetTotp {
            secret: SealedTotp::new(b"a secret".to_vec()),
            used_step: 1,
            recovery_codes: vec![recovery_code(0), recovery_code(1)],
        },
        Credential::RemoveTotp => CredentialChange::RemoveTotp,
        Credential::ReplaceRecoveryCodes(code) => {
            CredentialChange::ReplaceRecoveryCodes(vec![recovery_code(code)])
        }
        Credential::SignInByLink(allowed) => CredentialChange::SignInByLink(allowed),
        Credential::ApproveDevices(needed) => CredentialChange::ApproveDevices(needed),
    }
}

fn identity(what: u8) -> Identity {
    Identity { issuer: "https://provider.example.org".to_owned(), subject: what.to_string() }
}

fn recovery_code(code: u8) -> Digest {
    Digest::of(&[&[code]])
}

/// Records in the order of their hashes: in which order they lie in a segment is nobody's business.
async fn lines_of(stream: FrameStream) -> Answered {
    let chunks: Vec<Bytes> = stream.try_collect().await?;
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for frame in FrameReader::read_all(&chunks.concat()).unwrap() {
        let (kind, bytes) = match frame {
            Frame::Record(bytes) => {
                records.push(line("record", &bytes));
                continue;
            }
            Frame::Header(bytes) => ("header", bytes),
            Frame::State(bytes) => ("state", bytes),
            Frame::NamedRecord(bytes) => ("named record", bytes),
            Frame::Commit(bytes) => ("commit", bytes),
            Frame::End(count) => ("end", count.to_be_bytes().to_vec()),
        };
        lines.push(line(kind, &bytes));
    }
    records.sort();
    lines.extend(records);
    Ok(lines)
}

fn line(kind: &str, bytes: &[u8]) -> String {
    format!("{kind}, {} bytes, {}", bytes.len(), Digest::of(&[bytes]))
}

/// Which error it is, without what a database or object store says in words of its own.
fn described(error: &StoreError) -> String {
    match error {
        StoreError::Database { doing, .. } => format!("Database while {doing}"),
        StoreError::Blobs { doing, .. } => format!("Blobs while {doing}"),
        StoreError::Unavailable { what, doing, .. } => format!("Unavailable: {what} while {doing}"),
        other => format!("{other:?}"),
    }
}

/// Whether a store that works could ever answer so. What is asked may be wrong; the data never is.
pub(crate) fn is_failure(answer: &Answer) -> bool {
    const FAILURES: [&str; 4] = ["Database", "Unavailable", "Damaged", "Folder"];
    answer.as_ref().err().is_some_and(|error| FAILURES.iter().any(|failure| error.starts_with(failure)))
}

/// Whether a refresh token was exchanged.
pub(crate) fn is_rotated(answer: &Answer) -> bool {
    answer.as_ref().is_ok_and(|lines| lines[0].starts_with("Rotated"))
}
