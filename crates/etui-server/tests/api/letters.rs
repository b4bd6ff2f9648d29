//! What comes by mail: links to sign in with, codes that confirm an address, news. The mail server is a real one.

mod addresses;
pub(crate) mod browsers;
mod links;
mod news;
mod operator;

use etui_server::settings::{Given, MailSettings, Settings};
use etui_services::{Received, Smtp};

pub(crate) use operator::printed;

use crate::support::TestServer;

/// A server that sends mail, and where it arrives.
pub(crate) struct Mailing {
    pub(crate) server: TestServer,
    smtp: Smtp,
}

impl Mailing {
    pub(crate) async fn start() -> Self {
        let smtp = Smtp::start().unwrap();
        let mail = through(&smtp);
        Self { server: TestServer::start_with(|settings| settings.mail = mail).await, smtp }
    }

    /// The one that came as the so many-th.
    pub(crate) fn letter(&self, number: usize) -> Received {
        self.smtp.wait_for(number).unwrap().remove(number - 1)
    }
}

/// Settings that send letters there.
pub(crate) fn through(smtp: &Smtp) -> Option<MailSettings> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    let toml = format!("mail_server = '{}'\nmail_from = 'etui@example.org'", smtp.address());
    std::fs::write(&file, toml).unwrap();
    Settings::resolve(Given::read(&file).unwrap()).unwrap().mail
}

/// The line of a letter that is to be copied.
fn code(letter: &Received) -> etui_api::session::Token {
    let line = letter.text.lines().find_map(|line| line.strip_prefix("    "));
    let line = line.unwrap_or_else(|| panic!("no code in: {}", letter.text)).to_owned();
    assert!(letter.html.contains(&format!("<pre>{line}</pre>")), "{}", letter.html);
    assert!(!letter.subject.contains(&line));
    etui_api::session::Token::new(line)
}
