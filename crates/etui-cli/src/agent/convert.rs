//! Between what crosses the socket and what the device understands.

use etui_chain::DeviceId;
use etui_client::{
    Agreement, BackupReport, Branch, Branches, ClientError, Device, DeviceInfo, DeviceLine, ErrorKind,
    Followed, HealReport, KdfChoice, Link, Opened, OsRandom, PutAside, RecoveryCodes, SecondFactor,
    StoreOpensWith, SyncFailure, SyncReport, Visit, Wanted, Way,
};
use etui_crypto::{KdfParameters, KitError, LoginPassword, MasterPassword, RecoveryKit};
use etui_vault::{
    Edit, Entry, EntryType, FieldKind, FieldPath, Filter, MatchRule, SecretText, Shelf, Summary,
    entry::{FieldId, UnknownField},
};

use super::{caller::Caller, protocol};
use crate::{
    failure::{Failure, Kind},
    output::time_text,
    secret::Secret,
};

/// Why a request cannot be put to the device.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// There is no unlocked device.
    #[error("this device is locked")]
    Locked,
    /// The agent and the command differ.
    #[error("the agent was started by another version of etui")]
    NotUnderstood,
    /// A field that does not exist.
    #[error(transparent)]
    Field(#[from] UnknownField),
    /// A kit that cannot be read.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// A device id that is none.
    #[error("naming a device: not the id of a device")]
    DeviceId,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Locked => Self::of(Kind::Locked, &problem).with_hint("run `etui unlock`"),
            Problem::NotUnderstood => {
                Self::of(Kind::Failed, &problem).with_hint("run `etui lock`, then `etui unlock`")
            }
            Problem::DeviceId => Self::of(Kind::Usage, &problem).with_hint("run `etui devices`"),
            Problem::Field(_) | Problem::Kit(_) => Self::of(Kind::Usage, &problem),
        }
    }
}

/// The client's error with its kind, refusal and next step.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
pub(crate) fn failure(error: ClientError) -> Failure {
    let kind = kind(error.kind());
    let Some(refusal) = error.refusal() else {
        return Failure { hint: error.hint(), ..Failure::of(kind, &error) };
    };
    // Its cause is the same refusal once more.
    let refusal = Some(refusal.name().to_owned());
    Failure { refusal, hint: error.hint(), ..Failure::new(kind, error.to_string()) }
}

fn sync_failure(failure: SyncFailure) -> Failure {
    let refusal = failure.refusal.map(|refusal| refusal.name().to_owned());
    Failure { refusal, hint: failure.hint, ..Failure::new(kind(failure.kind), failure.message) }
}

fn kind(kind: ErrorKind) -> Kind {
    match kind {
        ErrorKind::Failed => Kind::Failed,
        ErrorKind::Usage => Kind::Usage,
        ErrorKind::Locked => Kind::Locked,
        ErrorKind::NotFound => Kind::NotFound,
        ErrorKind::Refused => Kind::Refused,
        ErrorKind::Offline => Kind::Offline,
    }
}

pub(super) fn master(typed: &Secret) -> Result<MasterPassword, Failure> {
    MasterPassword::new(typed.expose()).map_err(|refused| unassigned(&refused))
}

pub(super) fn login(typed: &Secret) -> Result<LoginPassword, Failure> {
    LoginPassword::new(typed.expose()).map_err(|refused| unassigned(&refused))
}

/// How to sign in; where to go for it is told to whoever asked.
pub(super) fn way(asked: &protocol::Way, caller: &Caller) -> Result<Way, Failure> {
    let told = caller.clone();
    let guide = Box::new(move |visit: &Visit| {
        told.guide(protocol::Reply::Visit {
            url: Secret::new(&visit.url),
            user_code: visit.user_code.clone(),
            device_id: visit.device_id.to_string(),
        })
    });
    Ok(match asked {
        protocol::Way::LoginPassword(password) => Way::LoginPassword(login(password)?),
        protocol::Way::Browser => Way::Browser(guide),
        protocol::Way::DeviceCode => Way::DeviceCode(guide),
        protocol::Way::Link { printed } => {
            Way::Link { printed: printed.as_ref().map(|text| Link::read(text.expose())), ask: caller.asker() }
        }
    })
}

/// What was agreed to beforehand; else the person is asked once it comes to that.
pub(super) fn agreement(given: bool, caller: &Caller) -> Agreement {
    if given { Agreement::Yes } else { Agreement::Ask(caller.asker()) }
}

impl From<Wanted> for protocol::Wanted {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::LetterLine { expires_in_s } => Self::LetterLine { expires_in_s },
            Wanted::PrintedLink => Self::PrintedLink,
            Wanted::SecondFactor { again } => Self::SecondFactor { again },
            Wanted::KdfMemory { mib } => Self::KdfMemory { mib },
            Wanted::KeepAccount { delete_at_ms } => Self::KeepAccount { delete_at_ms },
        }
    }
}

/// A password that cannot be typed alike everywhere is the person's to change, and no data was refused.
pub(crate) fn unassigned(refused: &etui_chain::Refused) -> Failure {
    Failure::new(Kind::Usage, format!("reading a password: {}", refused.found))
}

pub(super) const fn kdf(asked: protocol::Kdf) -> KdfChoice {
    match asked {
        protocol::Kdf::Keep => KdfChoice::Keep,
        protocol::Kdf::Calibrate => KdfChoice::Calibrate,
        protocol::Kdf::Exactly { m_kib, t, p } => KdfChoice::Exactly(KdfParameters { m_kib, t, p }),
    }
}

pub(super) fn unlocked(device: &Device) -> protocol::Unlocked {
    let info = device.info();
    let entries = info.vaults.iter().map(|vault| vault.entries).sum();
    let newest = info.vaults.into_iter().max_by_key(|vault| vault.head_time_ms);
    let (time_ms, device_name) =
        newest.map(|vault| (vault.head_time_ms, vault.head_device)).unwrap_or_default();
    protocol::Unlocked {
        without_keyring: device.without_keyring().map(ToString::to_string),
        store_opens_with: store_opens_with(info.store_opens_with),
        device_listed: info.device_listed,
        not_synced: info.last_sync.and_then(|outcome| outcome.result.err()).map(sync_failure),
        head: protocol::Head { time_ms, device: device_name, entries },
    }
}

/// The question by which what was refused could still be done.
pub(super) const fn question(error: &ClientError) -> Option<protocol::Question> {
    match error {
        ClientError::NeedsFormerMasterPassword => Some(protocol::Question::FormerMasterPassword),
        ClientError::FreshSignInNeeded | ClientError::LoginPasswordNeeded => {
            Some(protocol::Question::LoginPassword)
        }
        ClientError::NeedsInvitation => Some(protocol::Question::Invitation),
        _ => None,
    }
}

/// What was refused, or the question by which it could still be done.
pub(super) fn asks(error: ClientError) -> Result<protocol::Reply, Failure> {
    match question(&error) {
        Some(question) => Ok(protocol::Reply::Asks { question, failure: failure(error) }),
        None => Err(failure(error)),
    }
}

/// What was given, or else the person is asked if the server is the first to ask.
pub(super) fn second_factor(typed: Option<&Secret>, caller: &Caller) -> SecondFactor {
    typed.map_or_else(|| SecondFactor::Ask(caller.asker()), |typed| SecondFactor::typed(typed.expose()))
}

pub(super) fn recovery_codes(codes: &RecoveryCodes) -> protocol::Reply {
    protocol::Reply::RecoveryCodes(codes.codes.iter().map(|code| Secret::new(code.expose())).collect())
}

pub(super) fn kit(text: &Secret) -> Result<RecoveryKit, Failure> {
    Ok(RecoveryKit::from_qr_text(text.expose()).map_err(Problem::from)?)
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, Failure> {
    text.parse().map_err(|_| Problem::DeviceId.into())
}

pub(super) fn entry(document: &Secret) -> Result<Entry, Failure> {
    Ok(Entry::decode(document.expose().as_bytes())?)
}

pub(super) fn document(entry: &Entry) -> Result<Secret, Failure> {
    let bytes = entry.encode()?;
    Ok(Secret::from_utf8(&bytes).unwrap_or_else(|| unreachable!("an entry document is JSON")))
}

pub(super) fn filter(filter: &protocol::Filter) -> Filter {
    Filter {
        shelf: match (filter.trash, filter.archive) {
            (true, _) => Shelf::Trash,
            (false, true) => Shelf::Archive,
            (false, false) => Shelf::Active,
        },
        entry_type: filter.entry_type.as_deref().map(EntryType::from_name),
        tag: filter.tag.clone(),
        folder: filter.folder.clone(),
        favourites: filter.favourites,
    }
}

pub(super) fn edits(edits: Vec<protocol::Edit>) -> Result<Vec<Edit>, Failure> {
    edits.into_iter().map(|edit| Ok(self::edit(edit)?)).collect()
}

fn edit(edit: protocol::Edit) -> Result<Edit, Problem> {
    use protocol::Edit as Asked;
    let field = |path: String| path.parse::<FieldPath>();
    Ok(match edit {
        Asked::Set { path, value } => Edit::Set { path: field(path)?, value: text(&value) },
        Asked::Clear(path) => Edit::Clear(field(path)?),
        Asked::AddUrl(url) => Edit::AddUrl { url, rule: MatchRule::Domain },
        Asked::RemoveUrl(url) => Edit::RemoveUrl(url),
        Asked::AddTag(tag) => Edit::AddTag(tag),
        Asked::RemoveTag(tag) => Edit::RemoveTag(tag),
        Asked::AddField { label, hidden, value } => Edit::AddField {
            id: FieldId::random(&mut OsRandom),
            label,
            kind: if hidden { FieldKind::Hidden } else { FieldKind::Text },
            value: text(&value),
        },
        Asked::Archive => Edit::Archive,
        Asked::Unarchive => Edit::Unarchive,
        Asked::Trash => Edit::Trash,
        Asked::Restore => Edit::Restore,
    })
}

fn text(secret: &Secret) -> SecretText {
    SecretText::from(secret.expose())
}

pub(super) fn line(summary: Summary) -> protocol::Line {
    protocol::Line {
        id: summary.id,
        title: summary.title,
        type_name: summary.type_name,
        username: summary.username,
        hosts: summary.hosts,
        tags: summary.tags,
        folder: summary.folder,
        favourite: summary.favourite,
        has_totp: summary.has_totp,
        attachments: summary.attachments,
        conflicts: summary.conflicts,
        created_ms: summary.created_ms,
        modified_ms: summary.modified_ms,
        archived_ms: summary.archived_ms,
        trashed_ms: summary.trashed_ms,
    }
}

pub(super) fn status(device: &Device, locks_in_s: u64) -> protocol::Status {
    let info: DeviceInfo = device.info();
    protocol::Status {
        server: info.server,
        email: info.email,
        account_id: info.account_id.to_string(),
        device_id: info.device_id.to_string(),
        state_version: info.state_version,
        head_code: info.head_code,
        vaults: info.vaults.into_iter().map(vault).collect(),
        unsent: info.unsent,
        last_sync: info.last_sync.map(|outcome| protocol::LastSync {
            at_ms: outcome.at_ms,
            failure: outcome.result.err().map(sync_failure),
        }),
        device_listed: info.device_listed,
        signed_in: info.signed_in,
        store_opens_with: store_opens_with(info.store_opens_with),
        set_aside: info.refused,
        history_complete: info.history_complete,
        warnings: info.warnings,
        locks_in_s,
    }
}

const fn store_opens_with(with: StoreOpensWith) -> protocol::StoreOpensWith {
    match with {
        StoreOpensWith::Keyring => protocol::StoreOpensWith::Keyring,
        StoreOpensWith::MasterPassword => protocol::StoreOpensWith::MasterPassword,
        StoreOpensWith::FormerMasterPassword => protocol::StoreOpensWith::FormerMasterPassword,
    }
}

fn vault(vault: etui_client::VaultInfo) -> protocol::Vault {
    protocol::Vault {
        id: vault.vault_id.to_string(),
        name: vault.name,
        entries: vault.entries,
        head_seq: vault.head_seq,
        head_time_ms: vault.head_time_ms,
        head_device: vault.head_device,
    }
}

pub(super) fn synced(report: SyncReport) -> protocol::Synced {
    protocol::Synced { pulled: report.pulled, pushed: report.pushed, notices: report.notices }
}

pub(super) fn followed(followed: Followed) -> protocol::Followed {
    let Followed { left_branch, unsent, notices } = followed;
    protocol::Followed { left_branch: left_branch.display().to_string(), unsent, notices }
}

/// Which branches there are, and how a person decides.
pub(super) fn fork(failure: Failure, branches: &Branches) -> Failure {
    let described = |branch: &Branch| {
        let Branch { code, time_ms, device } = branch;
        format!("{code} (newest change by {device} at {})", time_text(*time_ms))
    };
    let Branches { ours, servers } = branches;
    // The command is not given ready to be copied: the code has to come from another device.
    failure.with_hint(format!(
        "nothing is lost: this device is on branch {}, the server shows {}; look which of them `etui status` says on \
         your other devices. If they are on the server's: `etui sync --follow-server CODE` with the code that they \
         show. If they are on this one: `etui help sync`",
        described(ours),
        described(servers)
    ))
}

pub(super) fn device(line: DeviceLine) -> protocol::Device {
    protocol::Device {
        id: line.device_id.to_string(),
        name: line.name,
        this: line.this,
        listed: line.listed,
        awaits_approval: line.awaits_approval,
        new: line.is_new,
        signed_in_ms: line.signed_in_ms,
        last_seen_ms: line.last_seen_ms,
    }
}

pub(super) fn healed(report: &HealReport) -> protocol::Healed {
    protocol::Healed { states: report.states, commits: report.commits, records: report.records }
}

pub(crate) fn backup(report: &BackupReport) -> protocol::Backup {
    protocol::Backup {
        account_id: report.account_id.to_string(),
        state_version: report.state_version,
        history_complete: report.history_complete,
        vaults: report
            .vaults
            .iter()
            .map(|vault| protocol::BackupVault {
                id: vault.vault_id.to_string(),
                head_seq: vault.head_seq,
                live: vault.live,
            })
            .collect(),
        entries: report.entries,
        unsent: report.unsent,
        opened: report.opened.as_ref().map(opened),
    }
}

fn opened(opened: &Opened) -> protocol::Opened {
    let unreadable = opened.unreadable.iter().map(|(object_id, refused)| protocol::Unreadable {
        id: object_id.to_string(),
        refusal: refused.refusal.name().to_owned(),
        found: refused.found.to_owned(),
    });
    protocol::Opened { readable: opened.readable, unreadable: unreadable.collect() }
}

pub(super) fn refused(aside: PutAside) -> protocol::Refused {
    protocol::Refused {
        first_ms: aside.first_ms,
        last_ms: aside.last_ms,
        times: aside.times,
        refusal: aside.refusal,
        found: aside.found,
        asked: aside.asked,
        length_bytes: aside.length_bytes,
        kept_bytes: aside.kept_bytes,
    }
}
/// An event of the audit log.
pub(super) fn event(line: etui_client::EventLine) -> protocol::Event {
    let etui_client::EventLine { event, device_name, actor_device_name } = line;
    protocol::Event {
        time_ms: event.time_ms,
        actor: event.actor,
        actor_device_id: event.actor_device_id.map(|id| id.to_string()),
        actor_device_name,
        action: event.action,
        outcome: event.outcome,
        device_id: event.device_id.map(|id| id.to_string()),
        device_name,
    }
}
