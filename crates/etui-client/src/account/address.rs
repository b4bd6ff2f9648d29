//! What a person types to say where an account is and which one: checked before anything is asked or sent.

use std::net::IpAddr;

use etui_api::email::normalize_email;
use reqwest::Url;

use crate::ClientError;

/// Where a server is: a scheme, a host, perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress(Url);

impl ServerAddress {
    /// Reads what was typed.
    ///
    /// # Errors
    /// [`ClientError::Address`] for everything but `https://HOST[:PORT]` and `http://HOST[:PORT]`.
    pub fn parse(typed: &str) -> Result<Self, ClientError> {
        let wrong = || ClientError::Address(typed.trim().to_owned());
        let url = Url::parse(typed.trim()).map_err(|_| wrong())?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let is_anonymous = url.username().is_empty() && url.password().is_none();
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        if is_http && is_bare && is_anonymous { Ok(Self(url)) } else { Err(wrong()) }
    }

    /// Whether what is sent there can be read and changed on its way: no TLS, and not this machine.
    pub fn is_in_clear(&self) -> bool {
        self.0.scheme() == "http" && !self.0.host_str().is_some_and(is_loopback)
    }

    /// Whether both are one address, however it was typed.
    pub(super) fn is(&self, other: &str) -> bool {
        Self::parse(other).is_ok_and(|other| other == *self)
    }
}

/// As it is kept: without what stands for nothing, such as a slash at the end.
impl std::fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// An e-mail address as it is kept: without white space around it.
///
/// # Errors
/// [`ClientError::Email`] for what cannot be one.
pub fn email_address(typed: &str) -> Result<String, ClientError> {
    let trimmed = typed.trim();
    match normalize_email(trimmed) {
        Some(_) => Ok(trimmed.to_owned()),
        None => Err(ClientError::Email(trimmed.to_owned())),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_port() {
        for (typed, kept) in [
            ("https://etui.example.org", "https://etui.example.org"),
            (" https://Etui.Example.org:443/ ", "https://etui.example.org"),
            ("http://localhost:8484/", "http://localhost:8484"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            let address = ServerAddress::parse(typed).unwrap();
            assert_eq!(address.to_string(), kept);
            assert!(address.is(kept) && !address.is("https://elsewhere.example"));
        }
        for typed in [
            "",
            "etui.example.org",
            "localhost:8484",
            "ftp://etui.example.org",
            "https://",
            "https://etui.example.org/etui",
            "https://etui.example.org?x",
            "https://etui.example.org/#x",
            "https://ada@etui.example.org",
            "https://ada:secret@etui.example.org",
        ] {
            assert!(matches!(ServerAddress::parse(typed), Err(ClientError::Address(_))), "{typed:?}");
        }
    }

    #[test]
    fn only_this_machine_is_talked_to_in_clear() {
        let is_in_clear = |typed| ServerAddress::parse(typed).unwrap().is_in_clear();
        for typed in ["https://10.0.0.1", "http://localhost", "http://127.3.2.1:8484", "http://[::1]"] {
            assert!(!is_in_clear(typed), "{typed}");
        }
        for typed in ["http://10.0.0.1", "http://localhost.example.org", "http://0.0.0.0", "http://[::2]"] {
            assert!(is_in_clear(typed), "{typed}");
        }
    }

    #[test]
    fn an_email_address_is_kept_as_typed_without_what_is_around_it() {
        assert_eq!(email_address(" Ada@example.org\n").unwrap(), "Ada@example.org");
        assert!(matches!(email_address("ada"), Err(ClientError::Email(typed)) if typed == "ada"));
    }
}
