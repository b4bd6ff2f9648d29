//! What an ID token that was verified says about an address.

use data_encoding::BASE64URL_NOPAD;
use etui_api::email::normalize_email;
use serde::Deserialize;
use serde_json::Value;

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimsError {
    /// It has not three parts.
    #[error("the token has no payload")]
    NoPayload,
    /// The payload is no base64url.
    #[error("decoding the payload")]
    Base64(#[source] data_encoding::DecodeError),
    /// The payload is no JSON object.
    #[error("parsing the payload")]
    Json(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct AddressClaims {
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
}

/// The address, if the provider vouches for it. Read from the token itself, since libraries take `"true"` and more for true:
/// only the boolean counts.
pub(super) fn verified_email(id_token: &str) -> Result<Option<String>, ClaimsError> {
    let payload = id_token.split('.').nth(1).ok_or(ClaimsError::NoPayload)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).map_err(ClaimsError::Base64)?;
    let AddressClaims { email, email_verified } =
        serde_json::from_slice(&payload).map_err(ClaimsError::Json)?;
    let verified = email_verified == Value::Bool(true);
    Ok(email.as_str().filter(|_| verified).and_then(normalize_email))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(payload: &str) -> Option<String> {
        verified_email(&format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(payload.as_bytes()))).unwrap()
    }

    #[test]
    fn an_address_counts_only_if_it_is_said_to_be_verified_by_a_boolean() {
        let verified = email(r#"{"sub":"a","email":"Ada@Example.org","email_verified":true}"#);
        assert_eq!(verified.as_deref(), Some("ada@example.org"));
        for not in ["false", "\"true\"", "1", "\"1\"", "null", "[true]", "{}"] {
            let payload = format!(r#"{{"email":"ada@example.org","email_verified":{not}}}"#);
            assert_eq!(email(&payload), None, "{not}");
        }
        for not in [
            r#"{"email":"ada@example.org"}"#,
            r#"{"email_verified":true}"#,
            r#"{"email":["ada@example.org"],"email_verified":true}"#,
            r#"{"email":"no address","email_verified":true}"#,
        ] {
            assert_eq!(email(not), None, "{not}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for wrong in ["", "abc", "a.!.c", "a.e.c", "a.MQ.c"] {
            assert!(verified_email(wrong).is_err(), "{wrong}");
        }
    }
}
