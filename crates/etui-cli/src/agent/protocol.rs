//! What commands ask of the agent and what it answers.
//!
//! Both ends are the same program, so there are no versions: an agent that was started before an update says that it
//! does not understand, and `lock` keeps its form.

use etui_chain::ObjectId;
use etui_client::AccountEntitlements;
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, secret::Secret};

/// One question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// End, and with that forget everything. The answer is the end of the connection, when all is closed.
    Lock,
    /// Who, where, how far. Does not count as use.
    Status,
    /// Open this device's store.
    Unlock {
        /// The master password.
        master_password: Secret,
        /// The one used here before, where the store still needs it.
        former: Option<Secret>,
    },
    /// Change how long the agent waits before it locks itself.
    StayUnlocked {
        /// From the last use, in minutes.
        minutes: u32,
    },
    /// Make a new account.
    SignUp {
        /// Of the new account.
        credentials: Credentials,
        /// What its key derivation is to cost.
        kdf: Kdf,
        /// The link or secret of an invitation, where the server takes nobody without one.
        invitation: Option<Secret>,
    },
    /// Make this folder a device of an account, or sign in again.
    LogIn {
        /// Of the account.
        credentials: Credentials,
        /// Put aside what is in the folder, and make it a new device.
        anew: bool,
    },
    /// Come back with a Recovery Kit and choose a new master password.
    Recover {
        /// Account and new master password.
        credentials: Credentials,
        /// The kit, as the text of its code.
        kit: Secret,
    },
    /// End the session on the server and remove the local copy.
    LogOut {
        /// Even if changes have not been sent.
        force: bool,
    },
    /// Every entry that the filter admits.
    List {
        /// Which.
        filter: Filter,
    },
    /// The best hits.
    Search {
        /// Words, all of which must be found.
        text: String,
        /// Where to look.
        filter: Filter,
        /// At most so many.
        limit: usize,
    },
    /// One whole entry.
    Get {
        /// Title, id, or a unique beginning of an id.
        entry: String,
    },
    /// Keep entries back for the next [`Request::Add`] on this connection.
    Stage {
        /// Entry documents.
        entries: Vec<Secret>,
    },
    /// Save new entries, those kept back first, all in one commit.
    Add {
        /// Entry documents.
        entries: Vec<Secret>,
    },
    /// Change one entry.
    Edit {
        /// Which one.
        entry: ObjectId,
        /// In their order.
        edits: Vec<Edit>,
    },
    /// Remove an entry for good.
    Purge {
        /// Which one.
        entry: ObjectId,
    },
    /// Exchange with the server until nothing is left.
    Sync,
    /// Go over to the branch that the server shows.
    FollowServer {
        /// Its head code.
        code: String,
    },
    /// The devices of the account.
    Devices {
        /// Whether the person is shown all of them: then none is new any more.
        shown: bool,
    },
    /// Devices that wait to be approved or are new, as far as the server says so at once. Does not count as use.
    DeviceNews,
    /// What the account's plan has room for, and what is used of it.
    Plan,
    /// Call a device something else.
    RenameDevice {
        /// Its id.
        device: String,
        /// Its new name.
        name: String,
    },
    /// Let a device in that waits.
    ApproveDevice {
        /// Its id.
        device: String,
    },
    /// Sign every other device out.
    LogOutOthers,
    /// Take a device off the account.
    RemoveDevice {
        /// Its id.
        device: String,
    },
    /// Choose a new master password.
    ChangeMasterPassword {
        /// The present one.
        old: Secret,
        /// The new one.
        new: Secret,
        /// The login password, which the server is asked about as the two must not be alike; another way where there is none.
        way: Way,
        /// What else the account asks for when signing in.
        second_factor: Option<Secret>,
        /// What the key derivation is to cost.
        kdf: Kdf,
    },
    /// The answer to [`Reply::Wants`], on the same connection; none where nobody is there, or it is no.
    Answer(Option<Secret>),
    /// Read or change the ways to sign in to the account.
    Account {
        /// What.
        asked: AccountRequest,
        /// What to sign in anew with, if the session is too old for it.
        fresh: FreshSignIn,
    },
    /// Make a Recovery Kit, which counts once it is tested.
    RecoveryCreate,
    /// Open the account's keys with a kit, for real.
    RecoveryTest {
        /// The text of its code.
        kit: Secret,
    },
    /// Give a restored server back what it has lost.
    Heal,
    /// Write a backup of everything, as it is.
    Export {
        /// An absolute path.
        to: String,
    },
    /// What the server sent and was refused.
    Refused,
    /// Write what was refused to a file.
    ExportRefused {
        /// An absolute path.
        to: String,
    },
    /// Forget what was refused.
    ClearRefused,
}

/// What signing in and unlocking needs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The server's address.
    pub(crate) server: String,
    /// The account's e-mail address.
    pub(crate) email: String,
    /// Who you are.
    pub(crate) way: Way,
    /// What else the account asks for when signing in.
    pub(crate) second_factor: Option<Secret>,
    /// What you can read.
    pub(crate) master_password: Secret,
    /// What this device is called.
    pub(crate) device_name: String,
    /// Whether a keyring, if there is one, is used on a new device.
    pub(crate) use_keyring: bool,
    /// Whether to keep the account if it is being deleted, without asking.
    pub(crate) keep_account: bool,
    /// Whether the person has agreed to a key derivation that takes much memory.
    pub(crate) accept_kdf_memory: bool,
}

/// By what somebody says to the server who they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// A login password.
    LoginPassword(Secret),
    /// A browser on this computer.
    Browser,
    /// A browser anywhere, where a code is typed.
    DeviceCode,
    /// A link that is sent by mail, or this one, which whoever runs the server has printed.
    Link { printed: Option<Secret> },
}

impl Way {
    /// The login password, if that is the way.
    pub(crate) const fn login_password(&self) -> Option<&Secret> {
        match self {
            Self::LoginPassword(password) => Some(password),
            Self::Browser | Self::DeviceCode | Self::Link { .. } => None,
        }
    }
}

/// One event of the audit log.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// When, in ms since 1970.
    pub(crate) time_ms: u64,
    /// Who did it.
    pub(crate) actor: String,
    /// The device that the holder did it with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) actor_device_id: Option<String>,
    /// What that is called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) actor_device_name: Option<String>,
    /// What was done.
    pub(crate) action: String,
    /// What came of it.
    pub(crate) outcome: String,
    /// The device that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) device_id: Option<String>,
    /// What that is called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) device_name: Option<String>,
}

/// What is asked about the ways to sign in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountRequest {
    /// All of them.
    Ways,
    /// An address that opens the account in a browser.
    HandOver,
    /// Another login password.
    ChangeLoginPassword {
        /// The master password: the two must not be alike.
        master: Secret,
        /// The new login password.
        new: Secret,
    },
    /// No login password.
    RemoveLoginPassword,
    /// Another address.
    ChangeEmail {
        /// The new one.
        email: String,
    },
    /// The letter to the new address has arrived.
    ConfirmEmail {
        /// The line that it brought.
        letter_line: Secret,
    },
    /// Begin to set an authenticator app up.
    BeginTotp,
    /// The app shows the right code.
    ConfirmTotp {
        /// That of the set-up.
        ticket: Secret,
        /// What the app shows.
        code: Secret,
    },
    /// No authenticator app.
    RemoveTotp,
    /// New recovery codes.
    ReplaceRecoveryCodes,
    /// Whether links by mail sign in.
    SwitchLinks {
        /// Whether they do.
        on: bool,
    },
    /// Whether new devices are approved.
    SwitchApproval {
        /// Whether they are.
        on: bool,
    },
    /// Call a passkey something else.
    RenamePasskey {
        /// Its id.
        id: String,
        /// Its new name.
        name: String,
    },
    /// Remove a passkey.
    RemovePasskey {
        /// Its id.
        id: String,
    },
    /// The audit log, newest first.
    Events {
        /// At most so many.
        most: usize,
    },
    /// Everything that the server holds, as one file.
    Download {
        /// Where to.
        to: String,
    },
    /// Delete the account.
    Delete,
    /// Keep it after all.
    Keep,
}

/// What signing in anew on an unlocked device needs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FreshSignIn {
    /// By what, if that was said.
    pub(crate) way: Option<Way>,
    /// What else the account asks for.
    pub(crate) second_factor: Option<Secret>,
}

/// What a key derivation is to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kdf {
    /// What the account has; for a new one the least that is allowed.
    Keep,
    /// About a second on this device.
    Calibrate,
    /// Exactly this much memory, passes and lanes.
    Exactly { m_kib: u32, t: u32, p: u32 },
}

/// Which entries.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Filter {
    /// Those in the trash instead of those in use.
    pub(crate) trash: bool,
    /// Those in the archive instead.
    pub(crate) archive: bool,
    /// Only of this type.
    pub(crate) entry_type: Option<String>,
    /// Only with this tag.
    pub(crate) tag: Option<String>,
    /// Only in this folder or below.
    pub(crate) folder: Option<String>,
    /// Only favourites.
    pub(crate) favourites: bool,
}

/// One change of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Edit {
    /// Gives a field a value.
    Set {
        /// As a person names it.
        path: String,
        /// The value.
        value: Secret,
    },
    /// Empties a field.
    Clear(String),
    /// Adds an address.
    AddUrl(String),
    /// Removes an address.
    RemoveUrl(String),
    /// Adds a tag.
    AddTag(String),
    /// Removes a tag.
    RemoveTag(String),
    /// Adds a custom field.
    AddField {
        /// Its name.
        label: String,
        /// Whether its value is shown only when asked for.
        hidden: bool,
        /// Its value.
        value: Secret,
    },
    /// Puts it into the archive.
    Archive,
    /// Takes it out of the archive.
    Unarchive,
    /// Puts it into the trash.
    Trash,
    /// Takes it out of the trash.
    Restore,
}

/// One answer. Any number of [`Reply::Progress`], [`Reply::Visit`] and [`Reply::Wants`] may come before it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// Done, with nothing to say.
    Done,
    /// It did not work.
    Failed(Failure),
    /// This device is unlocked.
    Unlocked(Unlocked),
    /// It did not work, and would if the person answered.
    Asks {
        /// What to ask.
        question: Question,
        /// What to say where nobody can be asked.
        failure: Failure,
    },
    /// Not done yet.
    Progress {
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// Not done yet: the person is to open a page.
    Visit {
        /// Which.
        url: Secret,
        /// What to type there.
        user_code: Option<String>,
        /// How the page names this device.
        device_id: String,
    },
    /// Not done yet: a [`Request::Answer`] is waited for.
    Wants(Wanted),
    /// The answer to [`Request::Status`].
    Status(Box<Status>),
    /// Entries, without their secrets.
    Entries(Vec<Line>),
    /// One entry as it is, with its secrets.
    Entry {
        /// Its object.
        id: ObjectId,
        /// Its document.
        document: Secret,
    },
    /// The ids of new entries, in the order of their documents.
    Added(Vec<ObjectId>),
    /// The answer to [`Request::Sync`].
    Synced(Synced),
    /// The answer to [`Request::FollowServer`].
    Followed(Followed),
    /// The answer to [`Request::Plan`].
    Plan(AccountEntitlements),
    /// The answer to [`Request::Devices`] and [`Request::DeviceNews`].
    Devices(Vec<Device>),
    /// The answer to [`AccountRequest::Ways`].
    Ways(Box<etui_client::Ways>),
    /// The answer to [`AccountRequest::HandOver`].
    HandedOver {
        /// Where to go.
        url: Secret,
        /// Seconds until that is over.
        expires_in_s: u32,
    },
    /// The answer to [`AccountRequest::BeginTotp`].
    TotpSetup {
        /// For the confirmation.
        ticket: Secret,
        /// What an app takes in.
        url: Secret,
        /// The secret alone.
        secret: Secret,
    },
    /// The answer to [`AccountRequest::Events`].
    Events(Vec<Event>),
    /// The answer to [`AccountRequest::Download`].
    Downloaded {
        /// Rows of tables.
        rows: u64,
        /// Length of the file.
        bytes: u64,
    },
    /// The answer to [`AccountRequest::Delete`].
    Leaves {
        /// When the account will be gone, in ms since 1970.
        delete_at_ms: u64,
    },
    /// The new address names the account.
    EmailChanged {
        /// The new address.
        email: String,
    },
    /// A letter to the new address brings what confirms it.
    EmailUnconfirmed {
        /// Seconds for which that counts.
        expires_in_s: u32,
    },
    /// New recovery codes.
    RecoveryCodes(Vec<Secret>),
    /// A new kit, as the text of its code.
    Kit(Secret),
    /// The answer to [`Request::Heal`].
    Healed(Healed),
    /// The answer to [`Request::Export`].
    Exported(Backup),
    /// The answer to [`Request::Refused`].
    Refused(Vec<Refused>),
    /// The answer to [`Request::ExportRefused`]: how many.
    ExportedRefused(usize),
}

/// What a person should know of the device that was unlocked just now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unlocked {
    /// Why a keyring that was wanted is not used.
    pub(crate) without_keyring: Option<String>,
    /// What opens the store on this device.
    pub(crate) store_opens_with: StoreOpensWith,
    /// Whether the account lists this device.
    pub(crate) device_listed: bool,
    /// Why nothing was exchanged with the server, if that was tried.
    pub(crate) not_synced: Option<Failure>,
    /// What the account is now, for a person to compare.
    pub(crate) head: Head,
}

/// What a person compares with another device (`spec/crypto.md`, "Local store"); also in the JSON
/// output of `login` and `recovery use`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    /// When the newest change was made by its device's clock; 0 if unknown.
    pub(crate) time_ms: u64,
    /// By which device.
    pub(crate) device: String,
    /// How many entries there are.
    pub(crate) entries: usize,
}

/// What opens the store on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoreOpensWith {
    /// A key that the keyring keeps.
    Keyring,
    /// The account's master password.
    MasterPassword,
    /// The one that the account had until it was changed on another device.
    FormerMasterPassword,
}

/// What only the person can say while something is under way. What was shown so far counts once: it cannot be begun again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wanted {
    /// The line that a letter brings.
    LetterLine { expires_in_s: u32 },
    /// The link that whoever runs the server has printed: it sends no letters.
    PrintedLink,
    /// The code of an authenticator app, or a recovery code.
    SecondFactor { again: bool },
    /// Whether the key derivation may take so much memory.
    KdfMemory { mib: u32 },
    /// Whether to keep an account that is being deleted.
    KeepAccount { delete_at_ms: u64 },
}

/// What only a person can say, before it is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Question {
    /// The master password that was used on this device before.
    FormerMasterPassword,
    /// The login password: the session is too old for what was asked.
    LoginPassword,
    /// The invitation with which an account may be made.
    Invitation,
}

/// An entry as a list shows it. In this form it is also the JSON output of `list` and `search`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: ObjectId,
    pub(crate) title: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) username: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) folder: String,
    pub(crate) favourite: bool,
    pub(crate) has_totp: bool,
    pub(crate) attachments: usize,
    pub(crate) conflicts: usize,
    pub(crate) created_ms: u64,
    pub(crate) modified_ms: u64,
    pub(crate) archived_ms: Option<u64>,
    pub(crate) trashed_ms: Option<u64>,
}

/// What `status` says of an unlocked device; also its JSON output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) server: String,
    pub(crate) email: String,
    pub(crate) account_id: String,
    pub(crate) device_id: String,
    pub(crate) state_version: u64,
    pub(crate) head_code: String,
    pub(crate) vaults: Vec<Vault>,
    /// Changes that the server does not have yet.
    pub(crate) unsent: usize,
    pub(crate) last_sync: Option<LastSync>,
    /// Whether the account still lists this device.
    pub(crate) device_listed: bool,
    pub(crate) signed_in: bool,
    /// What opens the store on this device.
    pub(crate) store_opens_with: StoreOpensWith,
    /// Different answers of the server that were refused and put aside.
    pub(crate) set_aside: usize,
    /// Whether every state and commit from the first on is here.
    pub(crate) history_complete: bool,
    pub(crate) warnings: Vec<String>,
    /// Seconds until the agent locks itself, if nobody uses it.
    pub(crate) locks_in_s: u64,
}

/// One vault of an account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Vault {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) entries: usize,
    pub(crate) head_seq: u64,
    pub(crate) head_time_ms: u64,
    /// Who made the head.
    pub(crate) head_device: String,
}

/// How the last exchange with the server went.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LastSync {
    pub(crate) at_ms: u64,
    /// None if it went well.
    pub(crate) failure: Option<Failure>,
}

/// What an exchange with the server brought; also the JSON output of `sync`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Synced {
    pub(crate) pulled: usize,
    pub(crate) pushed: usize,
    pub(crate) notices: Vec<String>,
}

/// What going over to the server's branch did; also the JSON output of `sync --follow-server`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Followed {
    /// A backup of the branch that was left.
    pub(crate) left_branch: String,
    /// Changes that were only here and now wait to be sent on top.
    pub(crate) unsent: usize,
    pub(crate) notices: Vec<String>,
}

/// One device; also the JSON output of `devices`, and in that of `status`.
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) this: bool,
    pub(crate) listed: bool,
    /// Whether it has signed in for the first time and waits for `devices approve`.
    pub(crate) awaits_approval: bool,
    /// Whether `devices` has not shown it on this device yet.
    pub(crate) new: bool,
    pub(crate) signed_in_ms: Option<u64>,
    pub(crate) last_seen_ms: Option<u64>,
}

/// What a server got back; also the JSON output of `heal`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Healed {
    pub(crate) states: usize,
    pub(crate) commits: usize,
    pub(crate) records: usize,
}

/// What a backup holds; also the JSON output of `export` and `backup verify`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) account_id: String,
    pub(crate) state_version: u64,
    /// Whether it has every state and commit from the first on.
    pub(crate) history_complete: bool,
    pub(crate) vaults: Vec<BackupVault>,
    pub(crate) entries: usize,
    pub(crate) unsent: usize,
    /// What opening every record gave, where the master password was there.
    pub(crate) opened: Option<Opened>,
}

/// What opening the records of a backup gave.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) readable: usize,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A record of a backup that cannot be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unreadable {
    pub(crate) id: String,
    pub(crate) refusal: String,
    pub(crate) found: String,
}

/// An answer of the server that was refused; also the JSON output of `refused list`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
    /// How often it came, byte for byte.
    pub(crate) times: u64,
    pub(crate) refusal: String,
    pub(crate) found: String,
    /// The request that it answered.
    pub(crate) asked: String,
    pub(crate) length_bytes: u64,
    /// How much of it is kept.
    pub(crate) kept_bytes: u64,
}

/// One vault of a backup.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BackupVault {
    pub(crate) id: String,
    pub(crate) head_seq: u64,
    pub(crate) live: usize,
}

#[cfg(test)]
mod tests;
