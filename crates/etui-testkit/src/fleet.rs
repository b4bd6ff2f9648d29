//! Clients that save and sync all the time: the code that people's clients run, each client in a thread of its own.
//!
//! Saving one entry and syncing until the server has confirmed it is a push. Whatever fails is noted and tried again, as
//! a client does. At the end every client, and a new device of every account, must hold exactly what was saved.

mod client;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use client::{Client, Order, Said};

/// For a push to be confirmed; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(5);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// What a fleet is to do.
pub struct Plan {
    /// Where each client reaches the server.
    pub urls: Vec<String>,
    /// How many accounts they have; the clients are dealt out to them.
    pub accounts: usize,
    /// How many pushes each of them makes, unless it is told to stop.
    pub pushes_each: usize,
    /// How large an entry is, beside its other fields. Records of more than 16 KiB lie in the object store.
    pub ballast_bytes: usize,
    /// An empty folder for their homes.
    pub homes: PathBuf,
}

/// Running clients.
pub struct Fleet {
    crew: Vec<Member>,
    notes: Arc<Notes>,
    new_home: PathBuf,
}

struct Member {
    account: usize,
    orders: mpsc::Sender<Order>,
    said: mpsc::Receiver<Said>,
    thread: JoinHandle<()>,
}

/// What is in an account, as a person sees it: titles and passwords, sorted.
pub type Contents = Vec<(String, String)>;

/// What the clients write down.
#[derive(Default)]
struct Notes {
    confirmed: AtomicUsize,
    failures: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Fleet {
    /// Sets all clients up, one after the other, and lets them begin at once.
    pub fn start(plan: &Plan) -> Self {
        let notes = Arc::<Notes>::default();
        let mut crew = Vec::new();
        for (number, url) in plan.urls.iter().enumerate() {
            let account = number % plan.accounts;
            let client = Client {
                number,
                account,
                url: url.clone(),
                home: plan.homes.join(format!("client-{number}")),
                pushes: plan.pushes_each,
                ballast_bytes: plan.ballast_bytes,
                notes: Arc::clone(&notes),
            };
            let member = Member::start(client, number == account);
            assert!(matches!(member.hear(), Said::Ready));
            crew.push(member);
        }
        for member in &crew {
            member.order(Order::Begin);
        }
        Self { crew, notes, new_home: plan.homes.join("new") }
    }

    /// How many pushes the server has confirmed.
    pub fn confirmed(&self) -> usize {
        self.notes.confirmed.load(Ordering::SeqCst)
    }

    /// What failed so far, as the clients would tell it.
    pub fn failures(&self) -> Vec<String> {
        self.notes.failures().clone()
    }

    /// Returns when so many pushes are confirmed.
    ///
    /// # Panics
    /// If that takes too long.
    pub fn wait_for(&self, confirmed: usize) {
        let started = Instant::now();
        while self.confirmed() < confirmed {
            let waited = started.elapsed();
            assert!(!self.crew.iter().any(Member::has_died), "a client gave up");
            assert!(waited < PATIENCE, "{} of {confirmed}: {:?}", self.confirmed(), self.failures().last());
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Lets no client begin another push.
    pub fn stop(&self) {
        self.notes.stop.store(true, Ordering::SeqCst);
    }

    /// Waits until every client is done, lets all of them sync once more, and compares what they hold, and what a new device
    /// of every account is given at this address, with what was saved. How many pushes that are.
    ///
    /// # Panics
    /// If anything is missing or anything else is there.
    pub fn finish(mut self, url: &str) -> usize {
        let mut saved: BTreeMap<usize, Contents> = BTreeMap::new();
        for member in &self.crew {
            let Said::Saved(entries) = member.hear() else { panic!("a client is done when it is done") };
            saved.entry(member.account).or_default().extend(entries);
        }
        for entries in saved.values_mut() {
            entries.sort();
        }
        // One after the other: the first may bring what the others still have to fetch.
        for member in &self.crew {
            member.order(Order::Look);
            let Said::Holds(contents) = member.hear() else { panic!("a client looks when it is asked to") };
            assert_same(&contents, &saved[&member.account], "a client");
        }
        for (account, entries) in &saved {
            let home = self.new_home.join(account.to_string());
            assert_same(&client::new_device(*account, url, home), entries, "a new device");
        }
        for member in self.crew.drain(..) {
            member.thread.join().expect("a client ends");
        }
        saved.values().map(Vec::len).sum()
    }
}

fn assert_same(held: &Contents, saved: &Contents, who: &str) {
    let missing: Vec<_> = saved.iter().filter(|entry| !held.contains(entry)).collect();
    let extra: Vec<_> = held.iter().filter(|entry| !saved.contains(entry)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{who} lacks {missing:?} and has {extra:?} beside");
    assert_eq!(held.len(), saved.len(), "{who} has something twice");
}

impl Member {
    fn start(client: Client, is_first: bool) -> Self {
        let (orders, to_follow) = mpsc::channel();
        let (to_say, said) = mpsc::channel();
        let account = client.account;
        let thread = thread::spawn(move || client.live(is_first, &to_follow, &to_say));
        Self { account, orders, said, thread }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("a client follows");
    }

    fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    fn hear(&self) -> Said {
        self.said.recv().expect("a client that ended has said why")
    }
}

impl Notes {
    fn confirm(&self) {
        self.confirmed.fetch_add(1, Ordering::SeqCst);
    }

    fn fail(&self, said: String) {
        self.failures().push(said);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
