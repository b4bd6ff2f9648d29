//! The ways to sign in to an account, as its holder sees and changes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::session::{LoginProof, Token};

/// Passkeys that one account may have.
pub const MAX_PASSKEYS: usize = 32;
/// Characters that the name of a passkey may have.
pub const MAX_PASSKEY_NAME_CHARS: usize = 64;

/// `GET /v1/account/ways`: every way to sign in.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own that the page answers")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ways {
    /// The address that names the account.
    pub email: String,
    /// Whether there is a login password.
    pub login_password: bool,
    /// Whether links by mail may be asked for.
    pub links: bool,
    /// Accounts at providers.
    pub identities: Vec<Identity>,
    /// Passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
    /// Whether a second factor is asked for; a passkey is two factors in one.
    pub totp: bool,
    /// Recovery codes that are left.
    pub recovery_codes: u64,
    /// Whether a new device needs the approval of another.
    pub approve_devices: bool,
}

/// An account at a provider of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The provider's `iss`.
    pub issuer: String,
    /// The provider's `sub`.
    pub subject: String,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Passkey {
    /// Names it in addresses: the first 16 bytes of the SHA-256 of its credential id, as 32 lower-case hex digits.
    pub id: String,
    /// What its holder calls it.
    pub name: String,
    /// When it was added, in ms since 1970.
    pub created_ms: u64,
    /// When it was last used, in ms since 1970; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
}

/// `PUT /v1/account/login-password`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewLoginPassword {
    /// The login proof of the new password.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    pub login_proof: LoginProof,
}

/// `PUT /v1/account/links` and `PUT /v1/account/device-approval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Switch {
    /// Whether it is to be on.
    pub on: bool,
}

/// The answer to `POST /v1/account/totp`: what an authenticator app takes in. It counts only once it is confirmed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpSetup {
    /// For the confirmation.
    pub ticket: Token,
    /// The `otpauth` address: SHA-1, six digits, thirty seconds, which every app knows.
    pub url: Token,
    /// The secret alone, as base32, for typing.
    pub secret: Token,
}

/// `POST /v1/account/totp/confirm`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TotpConfirmation {
    /// That of the set-up.
    pub ticket: Token,
    /// What the app shows now.
    pub code: Token,
}

/// Codes for when the second factor is lost: each works once, and they are never shown again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    pub codes: Vec<Token>,
}

/// Something that an authenticator is asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Ceremony {
    /// For finishing it.
    pub ticket: Token,
    /// What `navigator.credentials` takes, in the JSON form of WebAuthn level 3.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// `POST /v1/account/passkeys/finish`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewPasskey {
    /// That of the ceremony.
    pub ticket: Token,
    /// What it is to be called.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// What `navigator.credentials.create` gave, in the JSON form of WebAuthn level 3.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// `PATCH /v1/account/passkeys/{passkey_id}`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PasskeyName {
    /// What it is to be called.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
}

/// `POST /v1/account/email`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewEmail {
    /// The address that is to name the account.
    pub email: String,
    /// The login proof made with the new address, which salts it; needed where there is a login password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 43, max_length = 43)]
    pub login_proof: Option<LoginProof>,
}

/// The answer where a letter has to confirm the new address first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmailAsked {
    /// Seconds for which what the letter brings counts.
    pub expires_in_s: u32,
}

/// `POST /v1/account/email/confirm`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmailConfirmation {
    /// What the letter brought.
    pub token: Token,
}
