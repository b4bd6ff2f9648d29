//! What an ID token that was verified says besides who it is about.

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
struct Claims {
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    auth_time: Value,
}

/// What is used of it.
pub(super) struct Said {
    /// An address that the provider vouches for.
    pub(super) email: Option<String>,
    /// When it has asked them to sign in, in seconds since 1970 (`auth_time`).
    pub(super) signed_in_s: Option<u64>,
}

/// Read from the token itself, since libraries take `"true"` and more for true: only the boolean counts, and only a number is a time.
pub(super) fn said(id_token: &str) -> Result<Said, ClaimsError> {
    let payload = id_token.split('.').nth(1).ok_or(ClaimsError::NoPayload)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).map_err(ClaimsError::Base64)?;
    let Claims { email, email_verified, auth_time } =
        serde_json::from_slice(&payload).map_err(ClaimsError::Json)?;
    let verified = email_verified == Value::Bool(true);
    let email = email.as_str().filter(|_| verified).and_then(normalize_email);
    Ok(Said { email, signed_in_s: auth_time.as_u64() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said_in(payload: &str) -> Said {
        said(&format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(payload.as_bytes()))).unwrap()
    }

    fn email(payload: &str) -> Option<String> {
        said_in(payload).email
    }

    #[test]
    fn only_a_number_of_seconds_is_a_time() {
        assert_eq!(said_in(r#"{"auth_time":1800000000}"#).signed_in_s, Some(1_800_000_000));
        for not in ["\"1800000000\"", "null", "true", "-1", "1800000000.5", "[1800000000]"] {
            assert_eq!(said_in(&format!(r#"{{"auth_time":{not}}}"#)).signed_in_s, None, "{not}");
        }
        assert_eq!(said_in("{}").signed_in_s, None);
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
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }
}
