//! One client of a fleet.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use etui_client::{
    Agreement, ClientError, Device, ErrorKind, Home, KdfChoice, LogIn, OsRandom, SignUp, Way, now_ms,
};
use etui_crypto::{LoginPassword, MasterPassword};
use etui_vault::{Entry, EntryType, Filter, NewEntry, SecretText};

use super::{Contents, Notes};
use crate::{LOGIN_PASSWORD, MASTER_PASSWORD};

/// How long a client may take to recover; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two tries: far less than a client at rest lets pass, so that no moment of a fault goes unseen.
const PAUSE: Duration = Duration::from_millis(200);

/// A client before it lives.
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) account: usize,
    pub(super) url: String,
    pub(super) home: PathBuf,
    pub(super) pushes: usize,
    pub(super) ballast_bytes: usize,
    pub(super) notes: Arc<Notes>,
}

/// What a client is told to do.
pub(super) enum Order {
    Begin,
    Look,
}

/// What a client says.
pub(super) enum Said {
    Ready,
    Saved(Contents),
    Holds(Contents),
}

impl Client {
    /// Until it has followed every order, or whoever gives them is gone.
    pub(super) fn live(self, is_first: bool, orders: &mpsc::Receiver<Order>, say: &mpsc::Sender<Said>) {
        let next = |expected: fn(&Order) -> bool| orders.recv().is_ok_and(|order| expected(&order));
        in_runtime(async {
            let device = if is_first { self.sign_up().await } else { self.log_in().await };
            say.send(Said::Ready).expect("somebody listens");
            if !next(|order| matches!(order, Order::Begin)) {
                return;
            }
            let saved = tokio::select! {
                () = device.watch() => unreachable!("a device follows the news for ever"),
                saved = self.work(&device) => saved,
            };
            say.send(Said::Saved(saved)).expect("somebody listens");
            if next(|order| matches!(order, Order::Look)) {
                self.sync(&device).await;
                say.send(Said::Holds(contents(&device))).expect("somebody listens");
            }
        });
    }

    async fn sign_up(&self) -> Device {
        let sign_up = SignUp {
            server: self.url.clone(),
            email: email(self.account),
            way: Way::LoginPassword(login_password()),
            master_password: master_password(),
            device_name: format!("client {}", self.number),
            kdf: KdfChoice::Keep,
            use_keyring: false,
            invitation: None,
        };
        Device::sign_up(&Home::at(self.home.clone()), sign_up).await.expect("it signs up")
    }

    async fn log_in(&self) -> Device {
        log_in(self.account, &self.url, self.home.clone()).await
    }

    async fn work(&self, device: &Device) -> Contents {
        let mut saved = Contents::new();
        while saved.len() < self.pushes && !self.notes.is_over() {
            let title = format!("{} of client {}", saved.len(), self.number);
            let secret = format!("secret {} of client {}", saved.len(), self.number);
            device.add(vec![self.entry(&title, &secret)], None).await.expect("it is saved here");
            self.sync(device).await;
            saved.push((title, secret));
            self.notes.confirm();
        }
        saved
    }

    fn entry(&self, title: &str, secret: &str) -> Entry {
        let mut new = NewEntry::new(EntryType::Login, title);
        new.password = Some(SecretText::new(secret));
        new.notes = (self.ballast_bytes > 0).then(|| SecretText::new("b".repeat(self.ballast_bytes)));
        new.into_entry(now_ms(), &mut OsRandom).expect("an entry")
    }

    /// Over and over until the server has confirmed everything. What is refused is not tried again, as no client would.
    async fn sync(&self, device: &Device) {
        let began = Instant::now();
        while let Err(error) = device.sync().await {
            let said = format!("client {}: {error}", self.number);
            let is_passing = error.kind() == ErrorKind::Offline
                || matches!(error, ClientError::Server(_) | ClientError::Contended);
            assert!(is_passing && began.elapsed() < PATIENCE, "{said}, for {:?}", began.elapsed());
            self.notes.fail(said);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a new device of an account finds.
pub(super) fn new_device(account: usize, url: &str, home: PathBuf) -> Contents {
    in_runtime(async { contents(&log_in(account, url, home).await) })
}

async fn log_in(account: usize, url: &str, home: PathBuf) -> Device {
    let log_in = LogIn {
        server: url.to_owned(),
        email: email(account),
        way: Way::LoginPassword(login_password()),
        master_password: master_password(),
        device_name: "another device".to_owned(),
        use_keyring: false,
        second_factor: None,
        kdf_memory: Agreement::No,
        anew: false,
        keep_account: Agreement::No,
    };
    Device::log_in(&Home::at(home), log_in).await.expect("it signs in")
}

fn contents(device: &Device) -> Contents {
    let entry = |id| device.entry(id).expect("an entry that is listed");
    let field = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let all = device.list(&Filter::default()).into_iter().map(|summary| entry(summary.id));
    let mut contents: Contents =
        all.map(|entry| (entry.title().to_owned(), field(entry.password()))).collect();
    contents.sort();
    contents
}

fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

fn email(account: usize) -> String {
    format!("account-{account}@example.org")
}

fn login_password() -> LoginPassword {
    LoginPassword::new(LOGIN_PASSWORD).expect("a password")
}

fn master_password() -> MasterPassword {
    MasterPassword::new(MASTER_PASSWORD).expect("a password")
}
