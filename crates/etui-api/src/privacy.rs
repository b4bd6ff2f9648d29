//! What is known about an account, and its end: the audit log, downloads of everything held, deletion.

use etui_chain::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::Token;

/// The content type of events and downloads: a JSON object a line.
pub const JSON_LINES: &str = "application/jsonl";

/// A page of the audit log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvents {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// For the next page: `before` of the next request; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Who did what to what, when, and what came of it. Ids are pseudonyms: HMAC-SHA-256 of the id under a key that lies with the
/// account and goes with it, the first 16 bytes as hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// Its place in the log: later ones have larger numbers.
    pub number: u64,
    /// When, in ms since 1970.
    pub time_ms: u64,
    /// The account's pseudonym.
    pub account: String,
    /// Who did it: `holder`, `administrator`, `operator` (whoever has the server, at its console), `stranger`, `server`.
    pub actor: String,
    /// The pseudonym of who did it: of the device that a holder did it with or opened a browser with, of an administrator's own
    /// account, made with that account's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// The device that `actor_id` stands for: said to its holder alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub actor_device_id: Option<DeviceId>,
    /// What was done.
    pub action: String,
    /// The pseudonym of what it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The device that `object` stands for, if it is one of the account's: said to its holder alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub device_id: Option<DeviceId>,
    /// What came of it: `done`, `refused`.
    pub outcome: String,
}

/// The answer to deleting an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deletion {
    /// When everything will be gone, in ms since 1970; until then the account can be kept.
    pub delete_at_ms: u64,
}

/// The answer to asking for everything held.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DataExport {
    /// What the file is fetched with, by whoever has it.
    pub secret: Token,
    /// Until when, in ms since 1970.
    pub expires_ms: u64,
    /// Whether it is there; else it is being made.
    pub ready: bool,
}

/// Fetches a file of everything held.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FetchDataExport {
    /// The secret that was given for it.
    pub secret: Token,
}
