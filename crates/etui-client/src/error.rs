//! What can go wrong, in a sentence, with the next step.

use std::{error::Error, io, path::PathBuf};

use etui_api::{ErrorCode, Problem};
use etui_chain::{DeviceId, ObjectId, Refusal, Refused};
use etui_crypto::{KitError, PasswordFault};
use etui_sync::EngineError;
use etui_vault::EditError;

use crate::secure_storage::SecureStorageError;

/// What kind of failure it is; programs map it to an exit code or a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It could not be done.
    Failed,
    /// It was asked for in the wrong way.
    Usage,
    /// The device is locked.
    Locked,
    /// There is no such thing.
    NotFound,
    /// Data did not verify and was refused; nothing has changed.
    Refused,
    /// The server was needed and could not be reached.
    Offline,
}

/// Why an operation could not be done. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Data did not verify.
    #[error("{}", refused.found)]
    Refused {
        /// The stable name and what was found.
        #[from]
        refused: Refused,
    },
    /// The master password opens nothing here. Found on this device, no server asked.
    #[error("that is not this account's master password")]
    WrongMasterPassword,
    /// The master password is the account's, and the store on this device still opens with the one before.
    #[error("the master password was changed on another device; here, the one before is needed once more")]
    NeedsFormerMasterPassword,
    /// The account's key derivation takes so much memory that the person has to agree.
    #[error(
        "unlocking this account takes {mib} MiB of memory, which this device has not been asked for before"
    )]
    NeedsKdfConsent {
        /// How much.
        mib: u32,
    },
    /// The server takes nobody without an invitation.
    #[error("this server takes new accounts by invitation")]
    NeedsInvitation,
    /// The keyring that keeps the key of the local store did not do what was asked.
    #[error("{doing}: {source}")]
    Keyring {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: SecureStorageError,
    },
    /// The keyring is there, and the key of the local store is not in it.
    #[error("the keyring no longer holds the key of the local store, which cannot be read without it")]
    StoreKeyGone,
    /// The plain file says that there is a device, and its store is not there.
    #[error("the local store is not in its folder")]
    StoreMissing,
    /// The server did not accept e-mail and login password.
    #[error("the server did not accept the e-mail address and login password")]
    SignInFailed,
    /// Whoever was asked in a browser said no, or nothing.
    #[error("the browser did not let this device in")]
    NotLetIn,
    /// What the browser brought comes from elsewhere: its address would pass for another server's.
    #[error("the browser came back from {said}, and {asked} was asked")]
    OtherIssuer {
        /// What the answer calls its server.
        said: String,
        /// What was asked.
        asked: String,
    },
    /// This device cannot hear a browser on the same computer.
    #[error("listening for the browser on 127.0.0.1")]
    Listening(#[source] io::Error),
    /// What a letter brings, or whoever runs the server has printed, was asked for and not given.
    #[error("signing in by a link: there is none")]
    NoLink,
    /// A link signs in to an account that there is.
    #[error("a link signs in and makes no account")]
    LinkMakesNoAccount,
    /// No other address waits on this device to be confirmed.
    #[error("confirming an address: none waits on this device")]
    NoUnconfirmedEmail,
    /// Whoever signed up in a browser has an account already.
    #[error("there is an account for that already")]
    HasAccount,
    /// The login password was right, and the account asks for a second factor.
    #[error("this account asks for a second factor")]
    SecondFactorNeeded,
    /// The session is too old for what was asked; nothing has changed.
    #[error("to do this, sign in again: it is for whoever is present")]
    FreshSignInNeeded,
    /// What is derived from the login password is made anew, and the account has one.
    #[error("this takes the login password, since the account has one")]
    LoginPasswordNeeded,
    /// Whoever let this device in, did so for another account. Nothing has changed.
    #[error("that signs in to another account than this device's; nothing was changed")]
    SignedInElsewhere,
    /// What was to be changed about a second factor, and there is none.
    #[error("this account asks for no second factor")]
    NoSecondFactor,
    /// What was to be kept is not being deleted.
    #[error("this account is not being deleted: there is nothing to keep it from")]
    NotLeavingAccount,
    /// The session was ended; signing in again is needed, unlocking is not.
    #[error("this device is signed out of the server")]
    SignedOut,
    /// The account asks for the approval of new devices, and nobody has approved this one yet.
    #[error("another device has to approve this one first")]
    AwaitsApproval,
    /// The same while this device is being set up.
    #[error("this device, {}, waits until another one approves it", short(*device_id))]
    NewDeviceWaits {
        /// How it is named elsewhere.
        device_id: DeviceId,
        /// Where the server is.
        server: String,
    },
    /// The account lists this device no more: nobody takes its changes.
    #[error(
        "this device was removed from the account; {unsent} of its changes can be sent no more and stay here"
    )]
    Removed {
        /// How many objects have unsent changes.
        unsent: usize,
    },
    /// The account has never listed this device: setting it up was interrupted.
    #[error("setting this device up was interrupted; {unsent} of its changes wait until that is finished")]
    NotListed {
        /// How many objects have unsent changes.
        unsent: usize,
    },
    /// The server could not be reached, and there is nothing yet that could wait for it.
    #[error("the server could not be reached while {doing}")]
    NoAnswer {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The server could not be reached.
    #[error("the server could not be reached while {doing}; nothing is lost, changes stay on this device")]
    Offline {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The connection broke while a large file came over it. What had come is gone again.
    #[error(
        "the connection broke off before the file was whole; nothing was kept of it, and nothing is lost"
    )]
    DownloadCut(#[source] Option<reqwest::Error>),
    /// The server answered with a problem.
    #[error("the server answered: {}", said(.0))]
    Server(Box<Problem>),
    /// The plan has no room for new entries; everything else was exchanged.
    #[error(
        "the account's plan has room for {allowed} entries: what is new stays on this device and is not sent ({waiting}). Nothing is \
         lost, and everything else is up to date"
    )]
    OverPlan {
        /// How many the plan has room for.
        allowed: u64,
        /// How many wait.
        waiting: usize,
    },
    /// The server answered with something that is not its protocol.
    #[error("{0} does not answer like an Etui server")]
    NotAServer(String),
    /// The folder belongs to no account yet.
    #[error("no account is set up in {}", .0.display())]
    NoDevice(PathBuf),
    /// The folder is a device already.
    #[error("{} is a device of an account already", .0.display())]
    InUse(PathBuf),
    /// The device is one of another account, or the account is elsewhere.
    #[error("this device's account is {email} at {server}")]
    OtherAccount {
        /// The e-mail address of the account.
        email: String,
        /// The server's address.
        server: String,
    },
    /// That is not where a server can be.
    #[error("“{0}” is not the address of a server")]
    Address(String),
    /// That is no e-mail address.
    #[error("“{0}” is not an e-mail address")]
    Email(String),
    /// Nothing of that name or id.
    #[error("there is no entry “{0}”")]
    NotFound(String),
    /// Several entries answer to that name.
    #[error("several entries answer to “{name}”: {}", listed(.candidates))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What answers, by id; title and user name.
        candidates: Vec<(ObjectId, String)>,
    },
    /// A password that may not be chosen.
    #[error("{which}: {fault}")]
    Choice {
        /// Which password.
        which: &'static str,
        /// Why not.
        #[source]
        fault: PasswordFault,
    },
    /// An edit that does not fit.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A Recovery Kit that cannot be read, or does not open this account.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// No Recovery Kit of this account counts yet.
    #[error("this account has no Recovery Kit that was tested")]
    NoKit,
    /// The vault cannot be written to.
    #[error("changing the vault: {0}")]
    Engine(EngineError),
    /// The local store could not be read or written.
    #[error("{doing} on this device failed; what was saved before is unharmed: {source}")]
    Store {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A file could not be read or written.
    #[error("{doing} failed: {source}")]
    File {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is there would be lost, and is not a file.
    #[error("{} is not a file and is left as it is", .0.display())]
    NotAFile(PathBuf),
    /// Nothing can be written there.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// There is a file of that name, which would be lost.
    #[error("{} is there already and is left as it is", .0.display())]
    FileExists(PathBuf),
    /// A file that is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// Unsent changes would be lost.
    #[error("what was changed here has not reached the server yet and would be lost ({0})")]
    Unsent(usize),
    /// The device is being signed out: nothing more is saved on it.
    #[error("this device is being signed out; nothing was changed")]
    Leaving,
    /// Other devices kept changing the account.
    #[error("other devices kept changing the account at the same time; nothing is lost")]
    Contended,
    /// There is only one branch.
    #[error("this device and the server are on one branch: there is nothing to decide")]
    NotForked,
    /// The server shows another branch than the one that the person named.
    #[error("the server shows the branch {shown}, not the one that was named; nothing has changed")]
    OtherBranch {
        /// Its head code.
        shown: String,
    },
    /// The server holds what this device has never seen the beginning of.
    #[error("this device does not hold the history that the server has lost")]
    NoHistory,
}

impl ClientError {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused { .. } | Self::OtherBranch { .. } => ErrorKind::Refused,
            Self::Offline { .. } | Self::NoAnswer { .. } | Self::DownloadCut(_) => ErrorKind::Offline,
            Self::NotFound(_) | Self::Engine(EngineError::NoObject) => ErrorKind::NotFound,
            Self::Choice { .. }
            | Self::Ambiguous { .. }
            | Self::InUse(_)
            | Self::Address(_)
            | Self::Email(_)
            | Self::NotAFile(_)
            | Self::FileExists(_)
            | Self::NoFolder(_)
            | Self::Edit(_)
            | Self::NeedsKdfConsent { .. }
            | Self::NeedsInvitation
            | Self::NoLink
            | Self::LinkMakesNoAccount
            | Self::NoUnconfirmedEmail
            | Self::NeedsFormerMasterPassword => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }

    /// The same while a device is set up or signed in: then it is the address that may be wrong.
    #[must_use]
    pub fn while_signing_in(self) -> Self {
        match self {
            Self::Offline { doing, source } => Self::NoAnswer { doing, source },
            other => other,
        }
    }

    /// What it means where that which was asked for is known.
    pub(crate) fn if_not_found(self, meaning: Self) -> Self {
        match self {
            Self::Server(problem) if problem.code == ErrorCode::NotFound => meaning,
            other => other,
        }
    }

    /// The name by which data was refused.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refused } => Some(refused.refusal),
            Self::OtherBranch { .. } => Some(Refusal::Fork),
            _ => None,
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Refused { refused } => refused_hint(refused.refusal),
            Self::WrongMasterPassword => {
                "nothing of it was sent anywhere; try again. If it was changed on another device, one that is set up already opens \
                 with the one before until it has synced"
            }
            Self::NeedsFormerMasterPassword => {
                "`etui unlock` asks for the one before, or takes it from --old-master-password-file"
            }
            Self::NeedsKdfConsent { .. } => {
                "if one of your devices was told to use that much, repeat with --accept-kdf-memory"
            }
            Self::NeedsInvitation => {
                "ask whoever runs it for a link, and give it at the prompt or by --invitation-file"
            }
            Self::Keyring { source, .. } => keyring_hint(source),
            Self::StoreMissing => {
                "put the folder back as it was, or have `etui login --anew` fetch everything from the server"
            }
            Self::StoreKeyGone => {
                "`etui login --anew` sets this folder up again from the server and puts the old store aside; \
                 it can be read again if the keyring's entry comes back"
            }
            Self::SignedOut => {
                "run `etui login` again, with the master password that this device knows; unsent changes stay on it. Another \
                 device signed this one out, or changed how the account is opened or signed in to"
            }
            Self::AwaitsApproval => {
                "on a device that is signed in, `etui devices` shows it and `etui devices approve ID` lets it in; then \
                 run this command here again"
            }
            Self::NewDeviceWaits { device_id, server } => return Some(waits_hint(*device_id, server)),
            Self::Removed { .. } => {
                "everything can still be read here; `etui export` keeps it; then `etui logout --force` and `etui login` \
                 make this a device again"
            }
            Self::NotListed { .. } => "run `etui login` again",
            Self::NoAnswer { source: Some(source), .. } | Self::Offline { source: Some(source), .. }
                if is_certificate(source) =>
            {
                CERTIFICATE
            }
            Self::NoAnswer { .. } => "check --server: is it http or https, and is the port right?",
            Self::Offline { .. } => "try again when the server can be reached: `etui sync`",
            Self::OverPlan { .. } => {
                "`etui rm --purge` makes room, and so does a larger plan: what waits is sent by itself then. `etui plan` shows \
                 how much there is"
            }
            Self::Server(problem) => return server_hint(problem).map(str::to_owned),
            Self::DownloadCut(_) => "run it again: the server makes the file anew",
            Self::NoFolder(_) => "make it first, or name a file in one that is there",
            Self::FileExists(_) => "name one that is not there yet; what is there was not touched",
            Self::NotAFile(_) => "name a new file, or an older one to take the place of",
            Self::NotAServer(_) => "check the address given with --server",
            Self::NoDevice(_) => "run `etui signup` or `etui login`, or set ETUI_HOME",
            Self::InUse(_) => {
                "`etui unlock` opens it; for one more device or account choose another folder with ETUI_HOME"
            }
            Self::OtherAccount { .. } => {
                "for another account choose another folder with ETUI_HOME; if its server has a new address, run `etui lock`, \
                 then `etui login` with that"
            }
            Self::Address(_) => {
                "it has the form https://etui.example.org, with a port if need be and no path"
            }
            Self::NotFound(_) => "`etui list` shows what is there, `etui list --trash` what was removed",
            Self::Ambiguous { .. } => "name it by its id",
            Self::NoKit => "make one with `etui recovery create` and test it with `etui recovery test`",
            Self::Store { source, .. } if is_full(source) => DISK_FULL,
            Self::Store { source, .. } if is_read_only(source) => FOLDER_READ_ONLY,
            Self::File { source, .. } => return file_hint(source).map(str::to_owned),
            Self::Store { .. } => "run `etui doctor`; what was saved is unharmed",
            Self::Unsent(_) => "run `etui sync` first, or repeat with --force to give them up",
            Self::Leaving => "`etui login` makes this folder a device again",
            Self::Contended => "try again",
            Self::NoHistory => "run `etui heal` on a device that has been in use for longer",
            Self::NotForked => "run `etui sync`, or `etui heal` if the server has lost something",
            Self::OtherBranch { .. } => "compare with `etui status` on a device of the branch that you want",
            _ => return self.hint_to_sign_in().map(str::to_owned),
        };
        Some(hint.to_owned())
    }

    /// The next step of somebody whom the server does not know yet.
    const fn hint_to_sign_in(&self) -> Option<&'static str> {
        Some(match self {
            Self::SignInFailed => "check both and try again; the master password is never the login password",
            Self::NotLetIn => "try again, and let it in on the page",
            Self::OtherIssuer { .. } => {
                "give --server as the server calls itself, if that is the one you mean"
            }
            Self::Listening(_) => "`--device-code` needs no browser on this computer",
            Self::NoLink => {
                "begin again where it can be pasted, or give a link that whoever runs the server has printed by --link-file"
            }
            Self::LinkMakesNoAccount => "choose a login password, or sign up with `etui signup --browser`",
            Self::NoUnconfirmedEmail => "`etui account email change ADDRESS` begins it",
            Self::HasAccount => "sign in with `etui login --browser`",
            Self::SecondFactorNeeded => {
                "give the code of your authenticator app, or a recovery code: at the prompt, or by --second-factor-file"
            }
            Self::FreshSignInNeeded => {
                "repeat it with --browser, --device-code or --link; or give the login password, if there is one: at the prompt, or by \
                 --login-password-file"
            }
            Self::NoSecondFactor => "`etui account totp on` sets one up",
            Self::NotLeavingAccount => "`etui account events` shows what was done with it",
            Self::LoginPasswordNeeded => "give it at the prompt, or by --login-password-file",
            Self::SignedInElsewhere => {
                "`etui status` shows the account of this device: sign in to that in the browser, and try again"
            }
            _ => return None,
        })
    }
}

impl From<EngineError> for ClientError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(refused) => refused.into(),
            other => Self::Engine(other),
        }
    }
}

/// In the words of the server.
fn said(problem: &Problem) -> String {
    let detail = problem.detail.iter().map(String::as_str);
    std::iter::once(&*problem.title).chain(detail).collect::<Vec<_>>().join(" ")
}

/// What the holder of an account can do, with another device and without one.
fn waits_hint(device_id: DeviceId, server: &str) -> String {
    let short = short(device_id);
    format!(
        "on a device that is signed in, `etui devices approve {short}`; then run this command here again. If you have lost every \
         other device, open {server}/account in a browser, sign in with two factors (a link or a provider and then a code, or a \
         passkey), and sign the lost ones out there: then nobody is left to ask, and this command goes on. Where you cannot sign in \
         there, whoever runs the server can print a link for it (`etui-server admin link`) or, without a second factor, sign \
         everything out (`etui-server admin sign-out`)"
    )
}

/// As `etui devices` and the server's pages show it.
fn short(device_id: DeviceId) -> String {
    device_id.to_string().chars().take(8).collect()
}

fn refused_hint(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Rollback | Refusal::StateRollback => {
            "the server is older than this device: if its operator restored a backup, `etui heal` brings the rest back"
        }
        Refusal::Fork => "the server shows another history; nothing is lost: `etui sync` says how to decide",
        Refusal::LocalRollback => {
            "the server and your other devices still have what is missing here: put the newer folder back, or set this \
             one up from the server with `etui login --anew`, which puts the older copy aside"
        }
        Refusal::UnsupportedProtocol => "update the app",
        Refusal::PasswordReuse => "choose a login password that has nothing to do with the master password",
        Refusal::KdfPin => {
            "no cost of the key derivation ever falls; if you did not choose this one, your server sent it, and nothing \
             was changed"
        }
        Refusal::SelfTest => "do not use this machine for now: its cryptography gives wrong answers",
        Refusal::Limit => "it is too large",
        _ => "your server sent something that does not verify; nothing on this device was changed",
    }
}

fn keyring_hint(error: &SecureStorageError) -> &'static str {
    match error {
        SecureStorageError::Absent(_) => {
            "run it where your keyring is, in the desktop's session; or set this folder up without one: \
             `etui login --anew --no-keyring`"
        }
        SecureStorageError::Locked(_) | SecureStorageError::NoAnswer => "unlock the keyring and try again",
        SecureStorageError::Unreliable | SecureStorageError::Failed(_) => "run `etui doctor`",
    }
}

fn server_hint(problem: &Problem) -> Option<&'static str> {
    Some(match problem.code {
        ErrorCode::AccountExists => "sign in with `etui login`",
        ErrorCode::NoAccount => "make one with `etui signup --browser`",
        ErrorCode::SignUpClosed => "ask whoever runs the server to open sign-up",
        ErrorCode::TooManyRequests | ErrorCode::Unavailable | ErrorCode::Internal => "try again in a moment",
        ErrorCode::PlanLimit if problem.limit.as_ref().is_some_and(|limit| limit.what == "devices") => {
            "remove one that you no longer use, on another device: `etui devices`, `etui devices remove`; then try again"
        }
        ErrorCode::PlanLimit | ErrorCode::NotInPlan => {
            "`etui plan` shows what it has; whoever runs the server can give the account a larger one"
        }
        ErrorCode::SecondFactorUnreadable => {
            "sign in with a recovery code, then set it up anew: `etui account totp on`; without a code, ask whoever runs the server"
        }
        ErrorCode::AccountDisabled => {
            "ask whoever runs the server; everything can still be read on this device"
        }
        ErrorCode::TokenExpired => {
            "the server takes not even a fresh token: its clock may be wrong; your changes stay on this device"
        }
        ErrorCode::AccountLeaving => {
            "until it is gone it can be kept: by `etui account keep`, or by `etui login --keep-account` on a device that has to sign in"
        }
        ErrorCode::WrongCode => {
            "nothing was changed; try the code that the app shows next: each counts once, and only where the clocks are right. A \
             recovery code works in its place when signing in"
        }
        ErrorCode::LastWay => {
            "nothing was changed; `etui account links on` adds one, and `etui account open` passkeys and providers"
        }
        ErrorCode::StorageFull => "tell whoever runs the server; your changes stay on this device",
        _ => return None,
    })
}

const DISK_FULL: &str =
    "the disk is full: free some space on it and try again; nothing that was saved is lost";
const FOLDER_READ_ONLY: &str = "nothing can be written there: make the folder or its disk writable for you; nothing that was saved is lost";
const CERTIFICATE: &str = "this machine does not trust the server's certificate: if it is by an authority of your own, name that in \
     SSL_CERT_FILE and unlock again";

/// Whether a server was reached and its certificate refused.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // What an I/O error wraps is not its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|error| error as &(dyn Error + 'static)).or_else(|| error.source());
    }
    false
}

/// The next step where a file or folder could not be written, if the kind of error tells one.
pub fn file_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(DISK_FULL),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Some(FOLDER_READ_ONLY),
        _ => None,
    }
}

/// A full disk also shows as one that has no room for the database's shared memory.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
        || error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn is_read_only(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::PermissionDenied
        )
    )
}

fn listed(candidates: &[(ObjectId, String)]) -> String {
    let lines: Vec<String> = candidates.iter().take(5).map(|(id, title)| format!("{id} ({title})")).collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_however_deep_it_lies() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_certificate(&io::Error::other(io::Error::other(refused))));
        assert!(!is_certificate(&io::Error::other(rustls::Error::DecryptError)));
        assert!(!is_certificate(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
