//! `kill -9` at random moments of a save: what a command said was saved is there, and nothing is half.
//!
//! `ETUI_KILL_SEEDS` says how many moments are tried (100), `ETUI_KILL_FIRST_SEED` which is the first (0). The moment is
//! random on purpose; what is asserted does not depend on it. `cargo xtask kill` sets both.

use std::{
    collections::BTreeMap,
    env,
    ops::Range,
    process::{Child, Output},
    thread,
    time::{Duration, Instant},
};

use etui_testkit::{Device, Server, Stage, seed::Seeded};
use serde_json::Value;

/// After so many kills everything is compared on a second device and in a backup.
const ROUNDS_PER_COMPARISON: u64 = 10;
const DEFAULT_SEEDS: u64 = 100;
/// A change of the master password takes long: it is cut short once in so many seeds.
const SEEDS_PER_CHANGE: u64 = 5;
/// One save in so many makes a new entry, the others change one.
const NEW_ENTRY_IN: u32 = 3;

#[test]
fn what_was_saved_survives_the_death_of_the_client() {
    Story::begin(Victim::Client).run();
}

#[test]
fn what_was_saved_survives_the_death_of_the_server() {
    Story::begin(Victim::Server).run();
}

/// One of both passwords opens the device, and one of both the account, whenever the change was cut short.
#[test]
fn a_master_password_is_the_old_or_the_new_one_after_a_kill() {
    let stage = Stage::new();
    let _server = stage.serve();
    let device = stage.device("one");
    device.sign_up();
    device.add("Kept", "ada", "kept-password");
    device.ok(&["sync"]);
    let mut current = "master".to_owned();
    let change = |from: &str, to: &str| device.start_with(&Device::change_of_master_password(from, to), "");
    stage.write("measured", "measured velvet harbour maple");
    let started = Instant::now();
    assert!(change(&current, "measured").wait().expect("it ends").success());
    let duration = started.elapsed();
    "measured".clone_into(&mut current);

    for seed in seeds().filter(|seed| seed.is_multiple_of(SEEDS_PER_CHANGE)) {
        let _replay = Replay(seed);
        let next = format!("password-{seed}");
        stage.write(&next, &format!("{next} velvet harbour maple"));
        let mut child = change(&current, &next);
        let moment = duration.mul_f64(f64::from(Seeded::new(seed).below(1100)) / 1000.0);
        thread::sleep(moment);
        child.kill().expect("the command can be killed");
        device.kill_agent();
        let done = child.wait().expect("it ends").success();

        let opens =
            |password: &str| device.run(&["unlock", "--master-password-file", password]).status.success();
        let candidates = if done { vec![&next] } else { vec![&current, &next] };
        let opened = candidates.into_iter().find(|password| opens(password));
        current = opened.expect("a password of the two opens the device").clone();
        assert_eq!(device.field("Kept", "password"), "kept-password");
        device.ok(&["sync"]);
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The command and its agent.
    Client,
    Server,
}

/// A device that saves, a second one that follows it, and what every entry may hold.
struct Story {
    victim: Victim,
    one: Device,
    two: Device,
    server: Option<Server>,
    /// By title: the values that the entry may have now.
    entries: BTreeMap<String, Possible>,
    /// How long a save takes, from the start of its command until the server has it.
    save: Duration,
    stage: Stage,
}

/// What an entry may be after a kill: the value before, or the one that was being saved.
#[derive(Debug, Default)]
struct Possible {
    /// `None`: it need not be there.
    confirmed: Option<String>,
    attempted: Option<String>,
}

impl Story {
    fn begin(victim: Victim) -> Self {
        let stage = Stage::new();
        let server = stage.serve();
        let (one, two) = (stage.device("one"), stage.device("two"));
        one.sign_up();
        let started = Instant::now();
        one.add("Measured", "measured", "measured");
        one.ok(&["sync"]);
        let save = started.elapsed();
        two.log_in();
        let known = Possible { confirmed: Some("measured".to_owned()), attempted: None };
        let entries = BTreeMap::from([("Measured".to_owned(), known)]);
        Self { victim, one, two, server: Some(server), entries, save, stage }
    }

    fn run(mut self) {
        let victim = self.victim;
        for (round, seed) in (1..).zip(seeds().filter(|seed| Victim::of(*seed) == victim)) {
            let _replay = Replay(seed);
            let title = self.save_and_kill(seed);
            self.start_again();
            self.settle(&title);
            if round % ROUNDS_PER_COMPARISON == 0 {
                self.compare();
            }
        }
        self.compare();
    }

    /// Starts a save and kills at a moment of it, or a little later, while it is sent. The title of what was saved.
    fn save_and_kill(&mut self, seed: u64) -> String {
        let mut random = Seeded::new(seed);
        let value = format!("value-of-seed-{seed}");
        let (title, mut child) = self.start_to_save(&mut random, seed, &value);
        // A tenth more than the whole, so that the end is not left out.
        let moment = self.save.mul_f64(f64::from(random.below(1100)) / 1000.0);
        thread::sleep(moment);
        if self.victim == Victim::Client {
            child.kill().expect("the command can be killed");
            self.one.kill_agent();
        } else {
            drop(self.server.take());
        }
        let output = child.wait_with_output().expect("the command ends");
        self.note(&title, value, &output);
        title
    }

    fn start_to_save(&self, random: &mut Seeded, seed: u64, value: &str) -> (String, Child) {
        if random.below(NEW_ENTRY_IN) == 0 {
            let title = format!("Entry {seed}");
            let child = self.one.start_to_add(&title, value, value);
            return (title, child);
        }
        let number = random.below(u32::try_from(self.entries.len()).expect("few entries"));
        let title = self.entries.keys().nth(number as usize).expect("there is an entry").clone();
        let username = format!("username={value}");
        let child = self.one.start_with(&["edit", &title, "--set", &username, "--password-file", "-"], value);
        (title, child)
    }

    fn note(&mut self, title: &str, value: String, output: &Output) {
        let possible = self.entries.entry(title.to_owned()).or_default();
        if output.status.success() {
            *possible = Possible { confirmed: Some(value), attempted: None };
        } else {
            // Only a kill is a reason to fail: without a server a save works as with one.
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                self.victim,
                Victim::Client,
                "saving failed though only the server was killed: {said}"
            );
            possible.attempted = Some(value);
        }
    }

    fn start_again(&mut self) {
        match self.victim {
            Victim::Client => self.one.unlock(),
            Victim::Server => self.server = Some(self.stage.serve()),
        }
    }

    /// The entry is one of those that it may be; from now on it is that one.
    fn settle(&mut self, title: &str) {
        let possible = self.entries.remove(title).expect("it was noted");
        let found = entries_titled(&self.one, Some(title)).remove(title);
        let known = [&possible.confirmed, &possible.attempted];
        assert!(found.is_some() || possible.confirmed.is_none(), "{title} is lost: {possible:?}");
        assert!(found.is_none() || known.contains(&&found), "{title}: {found:?} is none of {possible:?}");
        if let Some(value) = found {
            self.entries.insert(title.to_owned(), Possible { confirmed: Some(value), attempted: None });
        }
    }

    /// The second device gets exactly what the first one has, and so does a backup.
    fn compare(&mut self) {
        for device in [&self.one, &self.two] {
            device.ok(&["sync"]);
        }
        let known =
            self.entries.iter().filter_map(|(title, possible)| Some((title, possible.confirmed.as_ref()?)));
        let known: BTreeMap<String, String> =
            known.map(|(title, value)| (title.clone(), value.clone())).collect();
        for device in [&self.one, &self.two] {
            assert_eq!(entries_titled(device, None), known);
        }
        assert_eq!(self.one.unsent(), 0);
        let heads = [&self.one, &self.two].map(|device| device.json(&["status"])["head_code"].clone());
        assert_eq!(heads[0], heads[1]);
        self.one.ok(&["export", "--to", "backup.etui"]);
        let report = self.one.json(&["backup", "verify", "backup.etui"]);
        assert_eq!(report["entries"], known.len());
    }
}

/// The values of all entries, or of those of one title. In an entry that is whole all fields are of one save.
fn entries_titled(device: &Device, title: Option<&str>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in device.json(&["list"]).as_array().expect("a list") {
        if title.is_some_and(|title| line["title"] != title) {
            continue;
        }
        let entry = device.json(&["get", line["id"].as_str().expect("an id"), "--reveal"]);
        let [title, username, password] = ["title", "username", "password"].map(|field| text(&entry[field]));
        assert_eq!(username, password, "{title} is half");
        assert_eq!(entry["conflicts"], Value::Array(Vec::new()), "{title}: nobody else changed it");
        assert_eq!(found.insert(title.clone(), username), None, "{title} is there twice");
    }
    found
}

impl Victim {
    fn of(seed: u64) -> Self {
        if seed.is_multiple_of(2) { Self::Client } else { Self::Server }
    }
}

/// Says how to try a seed again if it fails.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a test's own output")]
            {
                eprintln!("to try this moment again: cargo xtask kill --first-seed {} --seeds 1", self.0);
            }
        }
    }
}

fn seeds() -> Range<u64> {
    let first = number("ETUI_KILL_FIRST_SEED", 0);
    first..first + number("ETUI_KILL_SEEDS", DEFAULT_SEEDS)
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
