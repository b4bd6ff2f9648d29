//! `etui-server mail-test`: a letter sent at once, and each step told.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};
use lettre::message::Mailbox;

use super::{
    MailConfig,
    letter::message_id,
    post::message,
    text::Text,
    transport::{Protection, Step, Transport},
};
use crate::settings::Settings;

/// Sends a letter to `to` and says what came of each step.
///
/// # Errors
/// What failed, in the words of the mail server, with the next step.
pub fn try_out(settings: &Settings, to: &str) -> anyhow::Result<()> {
    let Some(mail) = &settings.mail else {
        bail!("no mail server is set: give --mail-server and --mail-from");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(mail.config()?, to))
}

async fn send(config: MailConfig, to: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "Connecting to {}:{}, {}.", config.host, config.port, protection(&config))?;
    let text = Text::about("A letter from Etui")
        .paragraph("Letters of this server arrive: whoever runs it has tried that out.")
        .paragraph("There is nothing to do.");
    let answer = send_at_once(config, to, &text).await?;
    writeln!(out, "Sent; the mail server said: {answer}")?;
    Ok(())
}

/// Sends a letter while somebody waits; what the mail server said.
///
/// # Errors
/// What failed, in the words of the mail server, with the next step.
pub(crate) async fn send_at_once(config: MailConfig, to: &str, text: &Text) -> anyhow::Result<String> {
    let to = Mailbox::new(None, to.parse().with_context(|| format!("“{to}” is no address"))?);
    let transport = Transport::new(config).context("reading the certificates of this machine")?;
    let message = message(transport.from(), to, &message_id()?, text)?;
    let mut connection = transport.connect().await.map_err(|error| with_hint(&error))?;
    let answer = connection.send(&message).await.map_err(|error| with_hint(&error))?;
    connection.close().await;
    Ok(answer)
}

const fn protection(config: &MailConfig) -> &'static str {
    match config.protection {
        Protection::Tls => "encrypted from the start",
        Protection::StartTls => "encrypted with STARTTLS",
        Protection::None => "in clear",
    }
}

fn with_hint(error: &super::SendError) -> anyhow::Error {
    let hint = match error.step() {
        Step::Connect => "check --mail-server: name, port, and whether anything between blocks it",
        Step::Encrypt => {
            "the certificate must be for the name in --mail-server, by an authority that this machine trusts \
             (SSL_CERT_FILE names one of your own); for a server encrypted from the start write smtps://"
        }
        Step::SignIn => "check --mail-credentials-file: user name, then password",
        Step::Sender => "check --mail-from: the mail server must let you write as that",
        Step::Recipient => "the mail server does not take the recipient",
        Step::Content => "the mail server does not take the letter itself",
    };
    let said = crate::log::chain(error);
    anyhow::anyhow!("{said}\n{hint}")
}
