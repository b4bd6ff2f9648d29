//! Being let in by a browser: what programs and this server say to each other for it.

use etui_chain::DeviceId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::session::Token;

/// `POST /v1/sessions/code`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CodeSignIn {
    /// What the browser brought.
    pub code: Token,
    /// Of the challenge that it was sent with: 43 to 128 characters (RFC 7636, section 4.1).
    pub verifier: Token,
    /// The device that signs in.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
}

/// `POST /v1/device-codes`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct NewDeviceCode {
    /// The device that would sign in.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
}

/// The answer to it (RFC 8628, section 3.2).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceCode {
    /// For `POST /v1/sessions/device-code`.
    pub device_code: Token,
    /// What somebody types at `verification_url`.
    pub user_code: String,
    /// Where.
    pub verification_url: String,
    /// Seconds between two questions whether it was decided.
    pub interval_s: u32,
    /// Seconds until it is over.
    pub expires_in_s: u32,
}

/// `POST /v1/sessions/device-code`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceCodeSignIn {
    /// From `POST /v1/device-codes`.
    pub device_code: Token,
}

/// The answer to `POST /v1/hand-overs`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HandOver {
    /// The address to open in a browser, which holds a secret.
    pub url: Token,
    /// Seconds until it is over.
    pub expires_in_s: u32,
}
