//! The audit log: who did what to which id when, metadata only. Ids are pseudonyms.

use core::fmt;

use etui_chain::{AccountId, Id};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sea_orm::ConnectionTrait;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{StoreError, sql};

/// Bytes of a pseudonym.
const PSEUDONYM_BYTES: usize = 16;

/// Names an account, and what belongs to it, in logs and events: HMAC-SHA-256 of the id under a key that lies with the account
/// and goes with it. Whoever has the log alone learns that two lines are about the same thing, and no more.
#[derive(Clone)]
pub struct Pseudonyms {
    account_id: AccountId,
    key: Zeroizing<Vec<u8>>,
}

/// A keyed pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pseudonym([u8; PSEUDONYM_BYTES]);

impl Pseudonyms {
    /// An account that an older program made has no key yet: then its name is that of nobody.
    pub(crate) fn from_column(account_id: AccountId, key: Option<Vec<u8>>) -> Self {
        Self { account_id, key: Zeroizing::new(key.unwrap_or_default()) }
    }

    /// Of the account itself.
    pub fn account(&self) -> Pseudonym {
        self.of(self.account_id)
    }

    /// Of something that belongs to it.
    pub fn of(&self, id: impl Into<Id>) -> Pseudonym {
        self.of_bytes(id.into().as_bytes())
    }

    /// Of something that has a name of another length.
    pub fn of_bytes(&self, name: &[u8]) -> Pseudonym {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length is a key");
        mac.update(name);
        let tag = mac.finalize().into_bytes();
        let mut bytes = [0; PSEUDONYM_BYTES];
        bytes.copy_from_slice(&tag[..PSEUDONYM_BYTES]);
        Pseudonym(bytes)
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pseudonyms(…)")
    }
}

impl Pseudonym {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; PSEUDONYM_BYTES] {
        &self.0
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// As the rows and the exports have it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

names! {
    /// Who did it.
    Actor {
        /// The holder of the account.
        Holder = "holder",
        /// An administrator, or whoever has the server.
        Administrator = "administrator",
        /// Somebody who has not signed in.
        Stranger = "stranger",
        /// The server by itself.
        Server = "server",
    }
}

names! {
    /// What was done.
    Action {
        /// The account was made.
        SignUp = "sign_up",
        /// A session was begun, or not.
        SignIn = "sign_in",
        /// A device signed in for the first time.
        NewDevice = "new_device",
        /// A device was approved by another.
        ApproveDevice = "approve_device",
        /// A session was ended.
        SignOut = "sign_out",
        /// A refresh token came twice, and its session ended.
        TokenReused = "token_reused",
        /// The login password was set, changed or taken away.
        ChangeLoginPassword = "change_login_password",
        /// The e-mail address was changed.
        ChangeEmail = "change_email",
        /// An account of a provider was linked.
        LinkIdentity = "link_identity",
        /// An account of a provider was unlinked.
        UnlinkIdentity = "unlink_identity",
        /// A passkey was added.
        AddPasskey = "add_passkey",
        /// A passkey was removed.
        RemovePasskey = "remove_passkey",
        /// A second factor was set up.
        SetTotp = "set_totp",
        /// The second factor was removed.
        RemoveTotp = "remove_totp",
        /// Recovery codes were made anew.
        ReplaceRecoveryCodes = "replace_recovery_codes",
        /// One recovery code was used.
        UseRecoveryCode = "use_recovery_code",
        /// Links by mail were allowed or not.
        ChangeLinks = "change_links",
        /// That new devices need approval was changed.
        ChangeApproval = "change_approval",
        /// Keysets or the key derivation changed (master password, Recovery Kit).
        ChangeKeys = "change_keys",
        /// Everything held was asked for.
        ExportData = "export_data",
        /// The account is to be deleted.
        DeleteAccount = "delete_account",
        /// The account is kept after all.
        KeepAccount = "keep_account",
        /// The account was disabled.
        DisableAccount = "disable_account",
        /// The account was enabled again.
        EnableAccount = "enable_account",
        /// The plan was changed.
        ChangePlan = "change_plan",
        /// A feature flag was changed for the account.
        ChangeFlag = "change_flag",
        /// The role was changed.
        ChangeRole = "change_role",
    }
}

names! {
    /// What came of it.
    Outcome {
        /// It was done.
        Done = "done",
        /// It was not.
        Refused = "refused",
    }
}

/// Notes an event within the caller's transaction.
pub(crate) async fn insert<C: ConnectionTrait>(
    connection: &C,
    pseudonyms: &Pseudonyms,
    actor: Actor,
    action: Action,
    object: Option<Pseudonym>,
    outcome: Outcome,
    now_ms: u64,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO audit_event (time_ms, account, actor, action, object, outcome) \
         VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        sql::number(now_ms),
        pseudonyms.account().0.to_vec().into(),
        actor.name().into(),
        action.name().into(),
        object.map(|object| object.0.to_vec()).into(),
        outcome.name().into(),
    ];
    sql::execute(connection, "noting an event", INSERT, values).await.map(drop)
}
