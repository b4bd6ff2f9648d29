//! What a server says about itself, to whoever asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::Method;

/// `GET /v1/server`: what a client needs to know before it asks somebody for anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerInfo {
    /// The version of the program.
    pub version: String,
    /// Who may make an account, asked from where this request comes from.
    pub sign_up: SignUpMode,
    /// The ways to sign in that are offered here. An account has some of them.
    pub methods: Vec<Method>,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignUpMode {
    /// Everybody.
    Open,
    /// Whoever has an invitation.
    Invite,
    /// Nobody.
    Closed,
}
