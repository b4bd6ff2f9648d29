//! What callers hand in and get back.

use core::fmt;

use bytes::Bytes;
use etui_chain::{Commit, DeviceId, State};
use zeroize::Zeroizing;

use crate::{Admission, Claim, CredentialChange, NewSession};

/// The hash of a login proof as a PHC string. It would help an attacker to guess the login password, so it is zeroized
/// and never shown.
pub struct LoginHash(Zeroizing<String>);

impl LoginHash {
    /// Takes a PHC string.
    pub fn new(phc: String) -> Self {
        Self(Zeroizing::new(phc))
    }

    /// The PHC string, to verify a login proof with.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LoginHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginHash(…)")
    }
}

/// What signing in needs to know of an account.
#[derive(Debug)]
pub struct Login {
    /// The account.
    pub claim: Claim,
    /// What the login proof is verified with, if there is a login password.
    pub login_hash: Option<LoginHash>,
    /// Whether a link signs in that came by mail: where the holder said so, or the address is known to be theirs.
    pub by_link: bool,
    /// Whether one does that whoever runs the server has handed out: unless the holder said that none does.
    pub by_handed_link: bool,
}

/// A new account with its first state and its first session.
#[derive(Debug)]
pub struct NewAccount {
    /// The address that names the account, in the form of `etui_api::email::normalize_email`.
    pub email: String,
    /// Why it may be made.
    pub admission: Admission,
    /// The ways to sign in to it; at least one, unless `sends_mail`.
    pub credentials: Vec<CredentialChange>,
    /// Whether links by mail are a way at all on this server.
    pub sends_mail: bool,
    /// The device that signs up; the first state lists it.
    pub device_id: DeviceId,
    /// State 1 with every record it names, and commit 1 of each of its vaults.
    pub upload: StateUpload,
    /// The device's first session.
    pub session: NewSession,
}

/// A commit with the records that it puts, in the order of its puts.
#[derive(Debug, Clone)]
pub struct CommitUpload {
    /// The commit.
    pub commit: Commit,
    /// One record for each put.
    pub records: Vec<Bytes>,
}

/// A state with what it brings.
#[derive(Debug, Clone)]
pub struct StateUpload {
    /// The state.
    pub state: State,
    /// The records that it names and the state before it did not, in any order.
    pub named_records: Vec<Bytes>,
    /// Commit 1 of every vault that the server does not know yet, in any order.
    pub first_commits: Vec<CommitUpload>,
}

/// One signed thing of an upload for healing.
#[derive(Debug, Clone)]
pub enum HealStep {
    /// A state; the commits up to its heads came before it.
    State(State),
    /// A commit; the state that it names came before it.
    Commit(Commit),
}

/// Everything a device holds of its account, to put back what a restored server has lost.
#[derive(Debug, Clone, Default)]
pub struct HealUpload {
    /// States and commits in the order in which they were first accepted.
    pub steps: Vec<HealStep>,
    /// Records that commits put, in any order. What is superseded or purged by the end may be absent.
    pub records: Vec<Bytes>,
    /// Records that states name, in any order. What is no longer named by the end may be absent.
    pub named_records: Vec<Bytes>,
}
