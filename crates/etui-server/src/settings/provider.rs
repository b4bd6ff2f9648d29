//! Providers of OpenID Connect, one table `[[provider]]` each.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{SettingsError, read};

const MAX_NAME_CHARS: usize = 32;

/// A provider where people may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSettings {
    /// Names it in addresses: lower-case letters, digits, hyphens.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its `issuer`, below which its description is found (OpenID Connect Discovery 1.0, section 4).
    pub issuer: String,
    /// By which it knows this server.
    pub client_id: String,
    /// File with the secret that goes with it.
    pub client_secret_file: PathBuf,
    /// What to ask for beside `openid`.
    #[serde(default = "email")]
    pub scopes: Vec<String>,
}

impl ProviderSettings {
    /// Reads the secret.
    ///
    /// # Errors
    /// `File`; `Provider` if there is nothing in it.
    pub fn client_secret(&self) -> Result<Zeroizing<String>, SettingsError> {
        let text = read("secret of a provider", &self.client_secret_file)?;
        match text.trim() {
            "" => Err(self.fault("the file of its secret is empty")),
            secret => Ok(Zeroizing::new(secret.to_owned())),
        }
    }

    fn check(&self) -> Result<(), SettingsError> {
        let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=MAX_NAME_CHARS).contains(&self.name.len()) || !self.name.chars().all(in_name) {
            return Err(self.fault("`name` has 1 to 32 lower-case letters, digits and hyphens"));
        }
        if self.title.trim().is_empty() || self.client_id.is_empty() {
            return Err(self.fault("`title` and `client_id` must not be empty"));
        }
        if !Url::parse(&self.issuer).is_ok_and(|issuer| is_private(&issuer)) {
            return Err(self.fault("`issuer` must be an https address, such as https://id.example.org"));
        }
        Ok(())
    }

    fn fault(&self, fault: &'static str) -> SettingsError {
        SettingsError::Provider { name: self.name.clone(), fault }
    }
}

/// Whether nobody on the way can read or change what is sent there: HTTPS, or this machine.
pub(crate) fn is_private(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => match url.host() {
            Some(Host::Domain(domain)) => domain == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => false,
        },
        _ => false,
    }
}

/// Each is right, and no two have one name or issuer.
pub(super) fn checked(providers: Vec<ProviderSettings>) -> Result<Vec<ProviderSettings>, SettingsError> {
    let (mut names, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for provider in &providers {
        provider.check()?;
        if !names.insert(&provider.name) || !issuers.insert(&provider.issuer) {
            return Err(provider.fault("another one has the same `name` or `issuer`"));
        }
    }
    Ok(providers)
}

fn email() -> Vec<String> {
    vec!["email".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, issuer: &str) -> ProviderSettings {
        ProviderSettings {
            name: name.to_owned(),
            title: "Work".to_owned(),
            issuer: issuer.to_owned(),
            client_id: "etui".to_owned(),
            client_secret_file: PathBuf::from("secret"),
            scopes: email(),
        }
    }

    #[test]
    fn a_provider_is_private_or_on_this_machine() {
        for right in
            ["https://id.example.org", "http://127.0.0.1:1", "http://localhost:1/a", "http://[::1]:1"]
        {
            assert!(checked(vec![provider("work", right)]).is_ok(), "{right}");
        }
        for wrong in
            ["http://id.example.org", "id.example.org", "ftp://localhost", "http://localhost.example.org"]
        {
            assert!(checked(vec![provider("work", wrong)]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_short_plain_and_distinct() {
        let issuer = "https://id.example.org";
        for wrong in ["", "Work", "a/b", "..", &"a".repeat(33)] {
            assert!(checked(vec![provider(wrong, issuer)]).is_err(), "{wrong}");
        }
        let twice = vec![provider("a", issuer), provider("a", "https://other.example.org")];
        assert!(checked(twice).is_err());
        assert!(checked(vec![provider("a", issuer), provider("b", issuer)]).is_err());
    }
}
