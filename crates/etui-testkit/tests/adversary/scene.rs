//! A victim with an unsent edit, another device that is ahead of it, and a server that is about to lie.

use std::fs;

use etui_api::frame::{Frame, FrameReader};
use etui_testkit::{Device, EMAIL, Exchange, LOGIN_PASSWORD, MASTER_PASSWORD, Server, Stage, evil::Mutation};
use serde_json::{Value, json};

use crate::keys::Keys;
use etui_testkit::canary::{Canary, leak};

/// Values that only the honest device and the victim may know.
const PLAINTEXTS: [&str; 5] = ["canary-mail", "canary-bank", "canary-forum", "canary-theirs", "canary-mine"];
const PASSWORD: &str = "canary-password-Zt9";

pub(crate) struct Scene {
    /// Sees an honest server all the time.
    pub(crate) other: Device,
    /// Cut off; behind the other by an edit and a new entry, with an unsent edit of its own.
    pub(crate) victim: Device,
    mail: String,
    bank: String,
    _server: Server,
    // Last: the agents of the devices end before their folders do.
    pub(crate) stage: Stage,
}

/// What may not change on a device that refuses.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    contents: Value,
    status: Value,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::after(|_, _| {})
    }

    /// With something that happens while both devices still see an honest server.
    pub(crate) fn after(event: impl FnOnce(&Device, &Device)) -> Self {
        let stage = Stage::new();
        let server = stage.serve();
        let (other, victim) = (stage.device("other"), stage.device("victim"));
        other.sign_up();
        let mail = other.add("canary-mail", "ada", PASSWORD);
        let bank = other.add("canary-bank", "ada", PASSWORD);
        other.ok(&["sync"]);
        victim.log_in();
        other.ok(&["edit", &mail, "--set", "username=canary-before"]);
        other.ok(&["sync"]);
        victim.ok(&["sync"]);
        event(&other, &victim);
        victim.wire().cut();
        other.ok(&["edit", &mail, "--set", "username=canary-theirs"]);
        other.add("canary-forum", "ada", PASSWORD);
        other.ok(&["sync"]);
        victim.ok(&["edit", &bank, "--set", "username=canary-mine"]);
        Self { other, victim, mail, bank, _server: server, stage }
    }

    /// The server does this and the victim syncs: refused by exactly this name, and all that goes with a refusal.
    pub(crate) fn is_refused(&self, mutation: Mutation, refusal: &str) {
        self.fails(mutation, 5, |error| {
            assert_eq!(error["code"], "refused", "{error}");
            assert_eq!(error["refusal"], refusal, "{error}");
            let message = error["message"].as_str().expect("a sentence");
            assert!(!message.contains(&format!("{refusal}:")), "what happened is said once: {message}");
        });
    }

    /// As [`Self::is_refused`], for what is no refusal.
    pub(crate) fn fails(&self, mutation: Mutation, code: i32, check: impl Fn(&Value)) {
        let name = mutation.name().to_owned();
        let before = self.position();
        let passed = self.victim.wire().traffic().len();

        let lying = self.victim.wire().tell(mutation);
        self.victim.wire().mend();
        check(&self.victim.failure(code, &["sync"]));
        check(&self.victim.failure(code, &["sync"]));
        assert!(lying.times() > 0, "{name}: nothing was altered");

        assert_eq!(self.position(), before, "{name}: a refusal changes nothing");
        self.unsent_edit_is_exported();
        let attack = &self.victim.wire().traffic()[passed..];
        nothing_was_uploaded(attack);
        self.nothing_secret_left(&self.victim);

        drop(lying);
        self.converges();
    }

    /// No request, from the first to the last, held a secret of this account.
    pub(crate) fn nothing_secret_left(&self, device: &Device) {
        let canaries = self.canaries();
        for exchange in device.wire().traffic() {
            let found = leak(&canaries, &exchange.sent());
            assert_eq!(found, None, "{} {}", exchange.method, exchange.path);
        }
    }

    /// An honest server is back: both devices end up with all that either of them did.
    pub(crate) fn converges(&self) {
        for device in [&self.victim, &self.other, &self.victim] {
            device.ok(&["sync"]);
        }
        let heads = [&self.victim, &self.other].map(|device| device.json(&["status"])["head_code"].clone());
        assert_eq!(heads[0], heads[1]);
        assert_eq!(self.victim.contents(), self.other.contents());
        assert_eq!(self.other.field(&self.bank, "username"), "canary-mine");
        assert_eq!(self.victim.field(&self.mail, "username"), "canary-theirs");
        assert_eq!(self.victim.field("canary-forum", "password"), PASSWORD);
        assert_eq!(self.victim.unsent(), 0);
    }

    fn position(&self) -> Position {
        let status = self.victim.json(&["status"]);
        let kept =
            ["account_id", "device_id", "state_version", "head_code", "vaults", "unsent", "device_listed"];
        let status = kept.map(|member| (member.to_owned(), status[member].clone())).into_iter().collect();
        Position { contents: self.victim.contents(), status: Value::Object(status) }
    }

    fn unsent_edit_is_exported(&self) {
        assert_eq!(self.victim.unsent(), 1);
        assert_eq!(self.victim.json(&["export", "--to", "backup.etui"])["unsent"], json!(1));
        assert_eq!(self.victim.json(&["backup", "verify", "backup.etui"])["unsent"], json!(1));
        let backup = fs::read(self.stage.path().join("backup.etui")).expect("it was written");
        let start = backup.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
        let frames = FrameReader::read_all(&backup[start..]).expect("frames");
        let Some(Frame::Record(record)) = frames.last() else { panic!("the unsent edit comes last") };
        assert!(Keys::of(&self.victim).entry(record).contains("canary-mine"));
    }

    fn canaries(&self) -> Vec<Canary> {
        let mut canaries = Keys::of(&self.victim).canaries();
        canaries.extend(PLAINTEXTS.iter().map(|text| Canary::text(text, text)));
        canaries.push(Canary::text("a password", PASSWORD));
        canaries.push(Canary::text("the master password", MASTER_PASSWORD));
        canaries.push(Canary::text("the login password", LOGIN_PASSWORD));
        canaries
    }
}

/// While it is lied to, a device only asks: it sends no record, no commit, no state and no keyset.
pub(crate) fn nothing_was_uploaded(traffic: &[Exchange]) {
    for Exchange { method, path, .. } in traffic {
        let asks = method == "GET" || path.starts_with("/v1/sessions");
        assert!(asks, "{method} {path} in the face of a lie");
    }
}

/// The arguments of `login` for an account of another address.
pub(crate) fn credentials_of<'a>(device: &'a Device, verb: &'a str, email: &'a str) -> [&'a str; 9] {
    device.credentials(verb).map(|word| if word == EMAIL { email } else { word })
}
