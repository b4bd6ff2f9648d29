//! Signing in by a link that comes by mail.

use etui_chain::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::Token;

/// `POST /v1/sign-ins/links`: to be sent a link.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AskForLink {
    /// The account's e-mail address.
    pub email: String,
    /// The device that will sign in, and no other.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
}

/// The answer, whether or not anybody has that address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkAsked {
    /// Needed beside what the letter brings: neither alone is worth anything.
    pub ticket: Token,
    /// Seconds for which both count.
    pub expires_in_s: u32,
}

/// `POST /v1/sessions/link`: signs in with what the letter brought.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkSignIn {
    /// What the letter brought.
    pub token: Token,
    /// The device that asked.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
    /// That of the answer; absent for a link that whoever runs the server has printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Token>,
}
