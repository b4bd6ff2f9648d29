//! Signing in: who are you. It never touches unlocking.

use core::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use etui_chain::{AccountId, DeviceId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use utoipa::ToSchema;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What the client sends in place of the login password (`spec/crypto.md`, "Login password"): exactly 32 bytes,
/// base64url without padding. A password equivalent, so it is zeroized and never shown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct LoginProof([u8; 32]);

impl LoginProof {
    /// Takes the derived bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be hashed on the server.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for LoginProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LoginProof(…)")
    }
}

impl Serialize for LoginProof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = URL_SAFE_NO_PAD.encode(self.0);
        let result = serializer.serialize_str(&text);
        text.zeroize();
        result
    }
}

impl<'de> Deserialize<'de> for LoginProof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        let length = URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), &mut bytes);
        text.zeroize();
        match length {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(de::Error::custom("a login proof is 32 bytes as base64url without padding")),
        }
    }
}

/// A bearer token: zeroized, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// Takes the token's text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the one header or field that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// `POST /v1/sessions`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SignIn {
    /// The account's e-mail address; compared by [`crate::email::normalize_email`].
    pub email: String,
    /// The login proof.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
    pub login_proof: LoginProof,
    /// The device that signs in: its own random id, kept for as long as its local store.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
}

/// `POST /v1/sessions/second-factor`: finishes a sign-in that was answered with `second_factor_required`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SecondFactor {
    /// That of the problem document.
    pub ticket: Token,
    /// What is shown.
    #[serde(flatten)]
    pub factor: Factor,
}

/// One second factor.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// The six digits that an authenticator app shows.
    Totp(Token),
    /// One of the codes for when that is lost.
    RecoveryCode(Token),
    /// A passkey of the same account.
    Passkey(PasskeyAnswer),
}

/// What an authenticator answered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PasskeyAnswer {
    /// That of `POST /v1/sign-ins/passkeys`.
    pub ticket: Token,
    /// What `navigator.credentials.get` gave, in the JSON form of WebAuthn level 3.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// `POST /v1/sessions/passkey`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PasskeySignIn {
    /// What the authenticator answered.
    #[serde(flatten)]
    pub answer: PasskeyAnswer,
    /// The device that signs in.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub device_id: DeviceId,
}

/// `POST /v1/sessions/refresh`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Refresh {
    /// The newest refresh token of the session; absent where a cookie keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Token>,
    /// At least 16 random bytes as text, drawn and kept together with the token: if the answer is lost, the same request may
    /// be repeated. Whoever has only the token cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Token>,
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:tt,)*) => {
        /// A way of saying who one is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Method {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

methods! {
    /// The login password, as a proof.
    LoginPassword = "login_password",
    /// A link that came by mail.
    Link = "link",
    /// A provider of OpenID Connect.
    Provider = "provider",
    /// A passkey, which is two factors in one.
    Passkey = "passkey",
    /// A one-time password, as the second factor.
    Totp = "totp",
    /// A recovery code, in place of the second factor.
    RecoveryCode = "recovery_code",
    /// A browser that had signed in let a program or a device in.
    Browser = "browser",
}

/// The answer to signing up, signing in and refreshing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The account.
    #[schema(value_type = String, pattern = "^(?!0{32})[0-9a-f]{32}$")]
    pub account_id: AccountId,
    /// For the `Authorization: Bearer` header of every other request.
    pub access_token: Token,
    /// Seconds until the access token expires.
    pub expires_in_s: u32,
    /// For the next refresh; the one used before is dead. Absent where a cookie keeps it (`Etui-Keep: cookie`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Token>,
}
