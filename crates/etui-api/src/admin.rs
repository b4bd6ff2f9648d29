//! Administration: accounts, plans, flags and figures. Nothing here tells what is in a vault.

use std::collections::BTreeMap;

use etui_chain::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    plan::{AccountEntitlements, Entitlements},
    session::Token,
};

/// What an account may do beyond its own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing.
    Person,
    /// What `etui-server admin` can.
    Administrator,
}

impl Role {
    /// As rows and JSON have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Administrator => "administrator",
        }
    }

    /// By its name; whatever is not known may do nothing.
    pub fn of(name: &str) -> Self {
        if name == Self::Administrator.name() { Self::Administrator } else { Self::Person }
    }
}

/// `POST /v1/sessions/current/admin`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdminSession {
    /// For the `Authorization: Bearer` header of requests below `/v1/admin/`, and for nothing else.
    pub access_token: Token,
    /// Seconds until it expires. It is not refreshed: sign in again.
    pub expires_in_s: u32,
}

/// `GET /v1/admin/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminAccounts {
    /// By address, ascending.
    pub accounts: Vec<AdminAccount>,
    /// The address to go on behind, where there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An account as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminAccount {
    /// The account.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub account_id: AccountId,
    /// The address that names it.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Its plan; the server's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// When it was made, in ms since 1970.
    pub created_ms: u64,
    /// When a session of it was last used, in ms since 1970, to the minute; absent without a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_ms: Option<u64>,
    /// When an administrator disabled it, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_ms: Option<u64>,
    /// When it will be gone, since its holder deleted it, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at_ms: Option<u64>,
}

/// `GET /v1/admin/accounts/{account_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminAccountDetails {
    /// The account.
    #[serde(flatten)]
    pub account: AdminAccount,
    /// Live sessions.
    pub sessions: u64,
    /// Sealed bytes that are kept for it, those among them that wait to be collected.
    pub bytes: u64,
    /// What it may use, and uses.
    pub entitlements: AccountEntitlements,
    /// Flags that an administrator has set for it.
    pub flag_overrides: BTreeMap<String, bool>,
}

/// `PUT /v1/admin/accounts/{account_id}/disabled`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct SetDisabled {
    /// Whether nobody gets in. What is stored stays as it is.
    pub disabled: bool,
}

/// `PUT /v1/admin/accounts/{account_id}/role`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct SetRole {
    /// The new role.
    pub role: Role,
}

/// `PUT /v1/admin/accounts/{account_id}/plan`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SetPlan {
    /// The new plan; the server's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// `PUT /v1/admin/accounts/{account_id}/flags/{name}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct SetAccountFlag {
    /// Whether it is on for this account; absent: as the flag's share decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `DELETE /v1/admin/accounts/{account_id}/sessions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedOut {
    /// Sessions that ended.
    pub sessions: u64,
}

/// `GET /v1/admin/plans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plans {
    /// By name.
    pub plans: Vec<Plan>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// What it gives.
    pub entitlements: Entitlements,
    /// Whether it is that of accounts without one of their own.
    pub default: bool,
    /// Accounts that have it.
    pub accounts: u64,
}

/// `GET /v1/admin/flags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flags {
    /// By name.
    pub flags: Vec<Flag>,
}

/// A feature flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flag {
    /// Its name.
    pub name: String,
    /// For how many of a hundred accounts it is on. Which ones is decided by a hash of flag and account: whoever has it at a
    /// share has it at every larger one.
    pub share_percent: u8,
    /// Accounts for which an administrator has switched it on.
    pub on_for: u64,
    /// Accounts for which an administrator has switched it off.
    pub off_for: u64,
}

/// `PUT /v1/admin/flags/{name}`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct SetFlagShare {
    /// For how many of a hundred accounts it is on.
    #[schema(maximum = 100)]
    pub share_percent: u8,
}

/// `POST /v1/admin/invitations`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NewInvitation {
    /// The only address that it admits; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What whoever follows it will be; nothing more than a person if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The plan of the new account; the server's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// For how many days it can be followed; a week if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 365)]
    pub days: Option<u16>,
}

/// An invitation that was made: its link is a secret, and shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MadeInvitation {
    /// Where whoever is invited makes an account.
    pub link: Token,
    /// When it ends, in ms since 1970.
    pub expires_ms: u64,
}

/// `GET /v1/admin/statistics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statistics {
    /// Accounts.
    pub accounts: u64,
    /// Those of them that are disabled.
    pub disabled: u64,
    /// Those of them that their holders have deleted and that are still there.
    pub leaving: u64,
    /// Devices that are signed in.
    pub devices: u64,
    /// Vaults.
    pub vaults: u64,
    /// Live entries, those in the trash among them.
    pub entries: u64,
    /// Sealed bytes, those among them that wait to be collected.
    pub bytes: u64,
    /// Accounts that were made.
    pub signed_up: Recent,
    /// Accounts of which a device was seen.
    pub active: Recent,
}

/// How many within the last days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recent {
    /// Within 24 hours.
    pub day: u64,
    /// Within 7 days.
    pub week: u64,
    /// Within 30 days.
    pub month: u64,
}
