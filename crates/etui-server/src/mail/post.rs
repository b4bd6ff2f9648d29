//! Sending what is in the queue.

use std::time::{Duration, SystemTime};

use etui_store::{Mail, Store, StoreError};
use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::Error as SmtpError,
};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::Notify;

use super::{
    letter::{Desk, Queued},
    text::Text,
    transport::{Connection, MailConfig, SendError, Transport, Verdict},
};
use crate::{
    app::App,
    clock,
    log::{self, Cause},
};

/// Between two looks at the queue; what this node itself queues goes out at once.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);
/// How long a letter is one node's to send: longer than that can take.
const LEASE: Duration = Duration::from_mins(2);
/// Before a letter is tried again; twice as long each time, up to the longest.
const FIRST_DELAY_MS: u64 = 30_000;
const LONGEST_DELAY_MS: u64 = 3_600_000;

/// Sends letters.
pub struct Post {
    transport: Transport,
    /// The address of the server that people use.
    url: String,
    queued: Notify,
    sent: Counter,
    deferred: Counter,
    given_up: Counter,
    waiting: Gauge,
}

/// What became of letters since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Taken by the mail server.
    pub sent: u64,
    /// Put off, each time counted.
    pub deferred: u64,
    /// Refused for good, or too old.
    pub given_up: u64,
}

/// Sends letters until the server stops; the one that is being sent then is sent to its end.
pub(crate) async fn run(app: &App) {
    let Some(post) = &app.post else { return };
    while !app.is_stopping() {
        let delivered = post.deliver(&app.store, clock::now_ms, || app.is_stopping()).await;
        if let Err(error) = delivered {
            app.metrics.store_failed(error.failure());
            log::warn("letters were not sent").cause(Some(Cause::of(&error))).write();
        }
        tokio::select! {
            () = post.queued.notified() => {}
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
            () = app.stopping() => {}
        }
    }
}

impl Post {
    /// Ready to send; connects only when there is something.
    ///
    /// # Errors
    /// The certificates of this machine cannot be used.
    pub fn new(config: MailConfig, url: String) -> Result<Self, SmtpError> {
        Ok(Self {
            transport: Transport::new(config)?,
            url,
            queued: Notify::new(),
            sent: Counter::default(),
            deferred: Counter::default(),
            given_up: Counter::default(),
            waiting: Gauge::default(),
        })
    }

    /// Says that something was queued.
    pub(crate) fn wake(&self) {
        self.queued.notify_one();
    }

    /// What became of letters so far.
    pub fn figures(&self) -> Figures {
        Figures { sent: self.sent.get(), deferred: self.deferred.get(), given_up: self.given_up.get() }
    }

    /// Has the figures shown to whoever watches the server.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("mail_sent", "Letters that the mail server took", self.sent.clone());
        let help = "Times that a letter was put off, to be tried again";
        registry.register("mail_deferred", help, self.deferred.clone());
        let help = "Letters that the mail server refused, or that became too old";
        registry.register("mail_given_up", help, self.given_up.clone());
        registry.register("mail_waiting", "Letters that wait to be sent", self.waiting.clone());
    }

    /// Counts what waits.
    ///
    /// # Errors
    /// `Database`.
    pub(crate) async fn count(&self, store: &Store) -> Result<(), StoreError> {
        self.waiting.set(store.waiting_mail().await?.cast_signed());
        Ok(())
    }

    /// Sends what is due until nothing is, the mail server takes nothing, or it is enough.
    ///
    /// # Errors
    /// The store's: a letter may have been sent and not noted.
    pub async fn deliver(
        &self,
        store: &Store,
        now_ms: impl Fn() -> u64,
        is_enough: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let mut connection = None;
        while !is_enough()
            && let Some(mail) = store.claim_mail(LEASE, now_ms()).await?
        {
            if !self.deliver_one(store, &mail, &mut connection, now_ms()).await? {
                break;
            }
        }
        if let Some(connection) = connection {
            connection.close().await;
        }
        Ok(())
    }

    /// Whether the mail server takes further letters.
    async fn deliver_one(
        &self,
        store: &Store,
        mail: &Mail,
        connection: &mut Option<Connection>,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        if mail.expires_ms <= now_ms {
            return self.give_up(store, mail, "a letter became too old", None).await.map(|()| true);
        }
        let message = match self.write(store, mail, now_ms).await? {
            Written::Message(message) => message,
            Written::Nothing => return store.finish_mail(mail).await.map(|()| true),
            Written::Impossible(why) => return self.give_up(store, mail, why, None).await.map(|()| true),
        };
        let Err(error) = self.send(connection, &message).await else {
            self.sent.inc();
            return store.finish_mail(mail).await.map(|()| true);
        };
        *connection = None;
        match error.verdict() {
            Verdict::GiveUp => {
                let why = "a letter was refused for good";
                self.give_up(store, mail, why, Some(&error)).await.map(|()| true)
            }
            Verdict::Defer => self.defer(store, mail, &error, now_ms).await.map(|()| true),
            Verdict::ServerAway => self.defer(store, mail, &error, now_ms).await.map(|()| false),
        }
    }

    async fn send(
        &self,
        connection: &mut Option<Connection>,
        message: &Message,
    ) -> Result<String, SendError> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.transport.connect().await?),
        };
        connection.send(message).await
    }

    async fn defer(
        &self,
        store: &Store,
        mail: &Mail,
        error: &SendError,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        self.deferred.inc();
        log::warn("a letter was put off").cause(Some(Cause::of(error))).write();
        store.defer_mail(mail, now_ms.saturating_add(delay_ms(mail.tries))).await
    }

    async fn give_up(
        &self,
        store: &Store,
        mail: &Mail,
        why: &'static str,
        error: Option<&SendError>,
    ) -> Result<(), StoreError> {
        self.given_up.inc();
        log::warn(why).cause(error.map(|error| Cause::of(error))).write();
        store.finish_mail(mail).await
    }

    async fn write(&self, store: &Store, mail: &Mail, now_ms: u64) -> Result<Written, StoreError> {
        let Ok(Queued { message_id, letter }) = serde_json::from_slice(&mail.body) else {
            return Ok(Written::Impossible("a letter cannot be read by this version"));
        };
        let Ok(address) = mail.recipient.parse() else {
            return Ok(Written::Impossible("a letter is to no address"));
        };
        let desk = Desk { store, url: &self.url, recipient: &mail.recipient, now_ms };
        let Some(text) = letter.write(&desk).await? else { return Ok(Written::Nothing) };
        let to = Mailbox::new(None, address);
        Ok(message(self.transport.from(), to, &message_id, &text)
            .map_or(Written::Impossible("a letter has no form that can be sent"), Written::Message))
    }
}

enum Written {
    Message(Message),
    /// There is no reason for it.
    Nothing,
    Impossible(&'static str),
}

/// The whole message. `Auto-Submitted` (RFC 3834) keeps holiday answers away.
pub(super) fn message(
    from: &Mailbox,
    to: Mailbox,
    message_id: &str,
    text: &Text,
) -> Result<Message, lettre::error::Error> {
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(text.subject)
        .message_id(Some(format!("<{message_id}@{}>", from.email.domain())))
        .date(SystemTime::now())
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(text.plain(), text.html()))
}

/// How long until it is tried again.
const fn delay_ms(tries: u64) -> u64 {
    let doublings = if tries > 10 { 10 } else { tries.saturating_sub(1) };
    let delay_ms = FIRST_DELAY_MS << doublings;
    if delay_ms < LONGEST_DELAY_MS { delay_ms } else { LONGEST_DELAY_MS }
}
