//! Where somebody goes on after signing in: one of few places, written anew from what was read, so that no address of
//! somebody else's choosing is ever gone to.

use std::num::NonZeroU16;

use axum::extract::Query;
use data_encoding::BASE64URL_NOPAD;
use etui_chain::DeviceId;
use http::Uri;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

const MAX_STATE_CHARS: usize = 128;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) enum Next {
    /// Ways to sign in.
    Account,
    /// The code of a device that waits.
    Device,
    /// A program on the same computer that waits.
    Authorize(Authorization),
}

/// What a program asks a browser on the same computer for (RFC 6749, section 4.1.1; RFC 7636; RFC 8252, section 7.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Authorization {
    /// Where it listens on 127.0.0.1.
    pub(crate) port: NonZeroU16,
    /// SHA-256 of what only the program knows.
    pub(crate) code_challenge: String,
    code_challenge_method: ChallengeMethod,
    /// What the program knows its own question by.
    pub(crate) state: String,
    /// The device that would sign in.
    pub(crate) device_id: DeviceId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum ChallengeMethod {
    S256,
}

impl Next {
    /// Reads an address of this server; any other leads to the account.
    pub(crate) fn read(address: Option<&str>) -> Self {
        address.and_then(Self::parse).unwrap_or(Self::Account)
    }

    /// The address, below that of this server.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Account => "/account".to_owned(),
            Self::Device => "/device".to_owned(),
            Self::Authorize(asked) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(asked.pairs());
                format!("/authorize?{}", query.finish())
            }
        }
    }

    /// The address of the page to sign in on first.
    pub(crate) fn sign_in(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", &self.address());
        format!("/sign-in?{}", query.finish())
    }

    fn parse(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok().filter(|uri: &Uri| uri.authority().is_none())?;
        match uri.path() {
            "/account" => Some(Self::Account),
            "/device" => Some(Self::Device),
            "/authorize" => {
                let Query(asked) = Query::<Authorization>::try_from_uri(&uri).ok()?;
                asked.is_right().then_some(Self::Authorize(asked))
            }
            _ => None,
        }
    }
}

impl From<String> for Next {
    fn from(address: String) -> Self {
        Self::read(Some(&address))
    }
}

impl From<Next> for String {
    fn from(next: Next) -> Self {
        next.address()
    }
}

impl Authorization {
    /// Whether the challenge is one, and the state nothing but text for addresses.
    pub(crate) fn is_right(&self) -> bool {
        let challenge = BASE64URL_NOPAD.decode(self.code_challenge.as_bytes());
        let state = self.state.as_bytes();
        challenge.is_ok_and(|bytes| bytes.len() == 32)
            && (1..=MAX_STATE_CHARS).contains(&state.len())
            && state.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    }

    /// As an address or a form carries it.
    pub(crate) fn pairs(&self) -> [(&'static str, String); 5] {
        [
            ("port", self.port.to_string()),
            ("code_challenge", self.code_challenge.clone()),
            ("code_challenge_method", "S256".to_owned()),
            ("state", self.state.clone()),
            ("device_id", self.device_id.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn authorize(port: &str, challenge: &str, method: &str, state: &str) -> String {
        format!(
            "/authorize?port={port}&code_challenge={challenge}&code_challenge_method={method}&state={state}\
             &device_id=0101010101010101010101010101010a"
        )
    }

    #[test]
    fn an_address_of_this_server_is_gone_to_as_it_was_understood() {
        let asked = authorize("8123", CHALLENGE, "S256", "abc-_1");
        for address in ["/account", "/device", &asked] {
            assert_eq!(Next::read(Some(address)).address(), *address);
        }
        let more = format!("{asked}&redirect_uri=https://evil.example");
        assert_eq!(Next::read(Some(&more)).address(), asked, "what is not known is not passed on");
        assert_eq!(Next::Device.sign_in(), "/sign-in?next=%2Fdevice");
    }

    #[test]
    fn any_other_address_leads_to_the_account() {
        for address in [
            "https://evil.example/account",
            "//evil.example/account",
            "/\\evil.example",
            "/account/../evil",
            "javascript:alert(1)",
            "account",
            "",
            "/authorize",
            &authorize("0", CHALLENGE, "S256", "abc"),
            &authorize("65536", CHALLENGE, "S256", "abc"),
            &authorize("80@evil.example", CHALLENGE, "S256", "abc"),
            &authorize("8123", "short", "S256", "abc"),
            &authorize("8123", CHALLENGE, "plain", "abc"),
            &authorize("8123", CHALLENGE, "S256", ""),
            &authorize("8123", CHALLENGE, "S256", "a%0d%0ab"),
        ] {
            assert_eq!(Next::read(Some(address)), Next::Account, "{address}");
        }
        assert_eq!(Next::read(None), Next::Account);
    }
}
