//! The way to the mail server: SMTP (RFC 5321), step by step, so that a failure says at which.

use core::fmt;
use std::time::Duration;

use lettre::{
    Message,
    message::Mailbox,
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Each for connecting and for one letter: less than a server has that is asked to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// How what is said to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the start.
    Tls,
    /// TLS before anything else is said.
    StartTls,
    /// In clear.
    None,
}

/// A mail server, and who writes.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// Its name or address.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// How what is said is protected.
    pub protection: Protection,
    /// Who writes.
    pub from: Mailbox,
    /// Who hands letters in.
    pub credentials: Option<MailCredentials>,
}

/// A user name and password at a mail server, which are never shown.
#[derive(Clone)]
pub struct MailCredentials {
    name: String,
    password: Zeroizing<String>,
}

impl MailCredentials {
    /// Takes both.
    pub const fn new(name: String, password: Zeroizing<String>) -> Self {
        Self { name, password }
    }
}

impl fmt::Debug for MailCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MailCredentials(…)")
    }
}

/// What was being done at the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reaching it.
    Connect,
    /// Encrypting.
    Encrypt,
    /// Saying who hands letters in.
    SignIn,
    /// Naming who writes.
    Sender,
    /// Naming who is written to.
    Recipient,
    /// Handing the letter over.
    Content,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "connecting to the mail server",
            Self::Encrypt => "encrypting the connection to the mail server",
            Self::SignIn => "signing in to the mail server",
            Self::Sender => "naming the sender to the mail server",
            Self::Recipient => "naming the recipient to the mail server",
            Self::Content => "handing the letter to the mail server",
        })
    }
}

/// Why a letter was not sent. The cause quotes the mail server, which may quote an address: it is for `mail-test`, never for the log.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed")]
pub struct SendError {
    step: Step,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("it does not know the extension {0} that is needed for this address or sender")]
    Unable(&'static str),
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The letter may be taken later.
    Defer,
    /// No letter is taken now.
    ServerAway,
    /// The letter will never be taken.
    GiveUp,
}

impl SendError {
    /// At which step.
    pub const fn step(&self) -> Step {
        self.step
    }

    /// What the mail server answered, if it did (RFC 5321, section 4.2).
    pub fn code(&self) -> Option<u16> {
        match &self.cause {
            Cause::Smtp(error) => error.status().map(Into::into),
            Cause::Silent | Cause::Unable(_) => None,
        }
    }

    /// A refusal for good is about this letter only once it is named; before, and where the mail server asks who hands it in
    /// (RFC 4954, 53x), it is about how this server is set up, which can be mended.
    pub(super) fn verdict(&self) -> Verdict {
        match (self.step, self.code()) {
            (Step::Connect | Step::Encrypt | Step::SignIn, _) | (_, Some(421 | 530..=539)) => {
                Verdict::ServerAway
            }
            (_, Some(500..)) => Verdict::GiveUp,
            (_, Some(_)) => Verdict::Defer,
            (_, None) => match &self.cause {
                Cause::Unable(_) => Verdict::GiveUp,
                Cause::Smtp(_) | Cause::Silent => Verdict::Defer,
            },
        }
    }
}

/// Ready to connect.
pub(super) struct Transport {
    config: MailConfig,
    tls: Option<TlsParameters>,
}

impl Transport {
    /// # Errors
    /// The certificates of this machine cannot be used.
    pub(super) fn new(config: MailConfig) -> Result<Self, SmtpError> {
        let tls = match config.protection {
            Protection::None => None,
            Protection::Tls | Protection::StartTls => Some(TlsParameters::new_rustls(config.host.clone())?),
        };
        Ok(Self { config, tls })
    }

    pub(super) const fn from(&self) -> &Mailbox {
        &self.config.from
    }

    /// A connection over which letters can be handed in.
    pub(super) async fn connect(&self) -> Result<Connection, SendError> {
        let mut step = Step::Connect;
        let connected = timeout(PATIENCE, self.connect_by_steps(&mut step)).await;
        let cause = match connected {
            Ok(Ok(connection)) => return Ok(Connection(connection)),
            Ok(Err(error)) => {
                step = if error.is_tls() { Step::Encrypt } else { step };
                Cause::Smtp(error)
            }
            Err(_) => Cause::Silent,
        };
        Err(SendError { step, cause })
    }

    async fn connect_by_steps(&self, step: &mut Step) -> Result<AsyncSmtpConnection, SmtpError> {
        let MailConfig { host, port, protection, from, credentials } = &self.config;
        let name = ClientId::Domain(from.email.domain().to_owned());
        let at_once = self.tls.clone().filter(|_| *protection == Protection::Tls);
        let server = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &name, at_once, None).await?;
        if let (Protection::StartTls, Some(tls)) = (protection, &self.tls) {
            *step = Step::Encrypt;
            connection.starttls(tls.clone(), &name).await?;
        }
        if let Some(MailCredentials { name, password }) = credentials {
            *step = Step::SignIn;
            let credentials = Credentials::new(name.clone(), String::clone(password));
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }
}

/// A connection to the mail server. After a failure it is of no use any more.
pub(super) struct Connection(AsyncSmtpConnection);

impl Connection {
    /// Hands a letter in; what the mail server said about it.
    pub(super) async fn send(&mut self, message: &Message) -> Result<String, SendError> {
        let mut step = Step::Sender;
        let cause = match timeout(PATIENCE, self.send_by_steps(message, &mut step)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) => cause,
            Err(_) => Cause::Silent,
        };
        Err(SendError { step, cause })
    }

    async fn send_by_steps(&mut self, message: &Message, step: &mut Step) -> Result<String, Cause> {
        let (envelope, content) = (message.envelope(), message.formatted());
        let mut options = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            self.require(Extension::SmtpUtfEight, "SMTPUTF8")?;
            options.push(MailParameter::SmtpUtfEight);
        }
        if !content.is_ascii() {
            self.require(Extension::EightBitMime, "8BITMIME")?;
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.0.command(Mail::new(envelope.from().cloned(), options)).await?;
        *step = Step::Recipient;
        for recipient in envelope.to() {
            self.0.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        *step = Step::Content;
        self.0.command(Data).await?;
        let answer = self.0.message(&content).await?;
        Ok(format!("{} {}", answer.code(), answer.message().collect::<Vec<_>>().join(" ")))
    }

    fn require(&self, extension: Extension, name: &'static str) -> Result<(), Cause> {
        if self.0.server_info().supports_feature(extension) { Ok(()) } else { Err(Cause::Unable(name)) }
    }

    /// Says goodbye, as is proper; the letters are handed in whatever becomes of that.
    pub(super) async fn close(mut self) {
        drop(timeout(PATIENCE, self.0.quit()).await);
    }
}
