//! Where letters go out.

use std::{net::IpAddr, path::PathBuf};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{SettingsError, read};
use crate::mail::{MailConfig, MailCredentials, Protection};

/// The port for mail that is handed in (RFC 6409), and the same encrypted from the start (RFC 8314).
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

/// Whether letters travel encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Nothing is sent to a server that does not encrypt
    Required,
    /// In clear: for a mail server that is reached over nothing but this machine or a network that you trust to the last cable
    Off,
}

/// The mail server, and who writes.
#[derive(Debug, Clone)]
pub struct MailSettings {
    pub(super) server: String,
    pub(super) from: String,
    pub(super) credentials_file: Option<PathBuf>,
    pub(super) tls: Option<MailTls>,
    parsed: MailConfig,
}

impl MailSettings {
    /// What was given, if anything was.
    ///
    /// # Errors
    /// `Incomplete`, `MailServer`, `MailFrom`.
    pub(super) fn resolve(
        server: Option<String>,
        from: Option<String>,
        credentials_file: Option<PathBuf>,
        tls: Option<MailTls>,
    ) -> Result<Option<Self>, SettingsError> {
        let incomplete = |given, missing| Err(SettingsError::Incomplete { given, missing });
        match (server, from) {
            (Some(server), Some(from)) => {
                let parsed = parse(&server, &from, tls)?;
                Ok(Some(Self { server, from, credentials_file, tls, parsed }))
            }
            (Some(_), None) => incomplete("mail_server", "mail_from"),
            (None, Some(_)) => incomplete("mail_from", "mail_server"),
            (None, None) if credentials_file.is_some() => incomplete("mail_credentials_file", "mail_server"),
            (None, None) if tls.is_some() => incomplete("mail_tls", "mail_server"),
            (None, None) => Ok(None),
        }
    }

    /// For sending; the credentials are read from their file.
    ///
    /// # Errors
    /// `File`, `MailCredentials`.
    pub fn config(&self) -> Result<MailConfig, SettingsError> {
        let mut config = self.parsed.clone();
        if let Some(path) = &self.credentials_file {
            let text = read("credentials of the mail server", path)?;
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let (Some(name), Some(password), None) = (lines.next(), lines.next(), lines.next()) else {
                return Err(SettingsError::MailCredentials { path: path.clone() });
            };
            let password = Zeroizing::new(password.to_owned());
            config.credentials = Some(MailCredentials::new(name.to_owned(), password));
        }
        Ok(config)
    }
}

fn parse(server: &str, from: &str, tls: Option<MailTls>) -> Result<MailConfig, SettingsError> {
    let wrong = || SettingsError::MailServer { given: server.to_owned() };
    let full = if server.contains("://") { server.to_owned() } else { format!("smtp://{server}") };
    let url = url::Url::parse(&full).map_err(|_| wrong())?;
    let plain = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let encrypted_at_once = match url.scheme() {
        "smtp" => false,
        "smtps" => true,
        _ => return Err(wrong()),
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if host.is_empty() || !plain || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong());
    }
    let by_default = if is_loopback(&host) { MailTls::Off } else { MailTls::Required };
    let (protection, port) = match tls.unwrap_or(by_default) {
        _ if encrypted_at_once => (Protection::Tls, SUBMISSIONS_PORT),
        MailTls::Required => (Protection::StartTls, SUBMISSION_PORT),
        MailTls::Off => (Protection::None, SUBMISSION_PORT),
    };
    let from = from.parse().map_err(|_| SettingsError::MailFrom { given: from.to_owned() })?;
    Ok(MailConfig { host, port: url.port().unwrap_or(port), protection, from, credentials: None })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(given: &str, tls: Option<MailTls>) -> Option<(String, u16, Protection)> {
        let config = parse(given, "Etui <etui@example.org>", tls).ok()?;
        Some((config.host, config.port, config.protection))
    }

    #[test]
    fn encryption_is_left_out_on_loopback_alone_unless_said() {
        let remote = |port, protection| Some(("mail.example.org".to_owned(), port, protection));
        assert_eq!(server("mail.example.org", None), remote(587, Protection::StartTls));
        assert_eq!(server("mail.example.org:25", None), remote(25, Protection::StartTls));
        assert_eq!(server("smtp://mail.example.org", Some(MailTls::Off)), remote(587, Protection::None));
        assert_eq!(server("smtps://mail.example.org", None), remote(465, Protection::Tls));
        assert_eq!(server("smtps://mail.example.org", Some(MailTls::Off)), remote(465, Protection::Tls));
        for here in ["localhost", "127.0.0.1", "[::1]"] {
            let host = here.trim_matches(['[', ']']).to_owned();
            let given = format!("{here}:1025");
            assert_eq!(server(&given, None), Some((host.clone(), 1025, Protection::None)));
            assert_eq!(server(&given, Some(MailTls::Required)), Some((host, 1025, Protection::StartTls)));
        }
    }

    #[test]
    fn what_is_no_mail_server_is_refused() {
        for wrong in
            ["", "http://mail.example.org", "mail.example.org/x", "smtp://me:secret@mail.example.org"]
        {
            assert_eq!(server(wrong, None), None, "{wrong}");
        }
        let nobody = parse("mail.example.org", "nobody", None);
        assert!(matches!(nobody, Err(SettingsError::MailFrom { .. })));
    }
}
