//! Two nodes behind a load balancer, eight clients of four accounts, and what breaks.

use std::{
    env, thread,
    time::{Duration, Instant},
};

use etui_services::{Ceph, Durability, Haproxy, Postgres};
use etui_testkit::{
    Link, Node, Server, Stage, Wire,
    fleet::{Fleet, Plan},
    seed::Seeded,
};

use crate::witness::{Expected, Witness};

const CLIENTS: usize = 8;
const ACCOUNTS: usize = 4;
/// For the tests that always run; `cargo xtask faults` makes more.
const DEFAULT_PUSHES: usize = 64;
/// Runs of at least so many pushes see a fault several times and to its end.
const LONG: usize = 500;
const ROUNDS_OF_LONG: u32 = 3;
/// Until a fault is felt; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// More than fits into a row: then its records are objects.
pub(crate) const LARGE_BYTES: usize = 20 * 1024;
pub(crate) const NODES: [&str; 2] = ["left", "right"];

/// Where a run's data is.
pub(crate) struct Backing {
    pub(crate) postgres: Postgres,
    pub(crate) ceph: Option<Ceph>,
}

impl Backing {
    pub(crate) fn rows() -> Self {
        Self { postgres: Postgres::start(Durability::Durable).expect("PostgreSQL starts"), ceph: None }
    }

    pub(crate) fn rows_and_bucket() -> Self {
        Self { ceph: Some(Ceph::start().expect("Ceph starts")), ..Self::rows() }
    }
}

/// A run that is being made.
pub(crate) struct Scene {
    pub(crate) seeded: Seeded,
    pub(crate) stage: Stage,
    /// Each node's way to the database.
    pub(crate) links: [Link; 2],
    pub(crate) backing: Backing,
    pub(crate) balancer: Haproxy,
    servers: [Option<Server>; 2],
    environment: Vec<(String, String)>,
    wires: Vec<Wire>,
    fleet: Option<Fleet>,
    witness: Witness,
    pushes: usize,
}

impl Scene {
    /// Everything runs, and no client yet.
    pub(crate) fn new(name: &'static str, backing: Backing) -> Self {
        let (pushes, seed) = (number("ETUI_FAULT_PUSHES", DEFAULT_PUSHES), number("ETUI_FAULT_SEED", 0));
        let bucket = backing.ceph.as_ref().map(Ceph::variables);
        let stage = Stage::on(&backing.postgres.url(), bucket.as_ref().map(<[_; 4]>::as_slice));
        let links = [(); 2].map(|()| Link::to(backing.postgres.address()));
        for (name, link) in NODES.iter().zip(&links) {
            stage.database_over(&Postgres::url_at(link.address()), &format!("database-url-{name}"));
        }
        if bucket.is_none() {
            // Without a bucket, nodes need one folder that all of them see.
            for name in NODES {
                stage.share_objects(name);
            }
        }
        let nowhere = "127.0.0.1:1".parse().expect("an address");
        let balancer = Haproxy::start(&NODES.map(|name| (name, nowhere))).expect("haproxy starts");
        stage.lead_to(balancer.address());
        Self {
            seeded: Seeded::new(seed as u64),
            wires: (0..CLIENTS).map(|_| stage.wire()).collect(),
            servers: [None, None],
            environment: Vec::new(),
            fleet: None,
            witness: Witness::new(name, pushes, seed),
            stage,
            links,
            backing,
            balancer,
            pushes,
        }
    }

    /// With a variable in the environment of every node.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether the run is long enough to see a fault to its end.
    pub(crate) const fn is_long(&self) -> bool {
        self.pushes >= LONG
    }

    /// Starts the nodes, and clients that push entries of about this size.
    pub(crate) fn begin(&mut self, ballast_bytes: usize) {
        (0..NODES.len()).for_each(|node| self.start_node(node));
        self.fleet = Some(Fleet::start(&Plan {
            urls: self.wires.iter().map(Wire::url).collect(),
            accounts: ACCOUNTS,
            pushes_each: self.pushes.div_ceil(CLIENTS),
            ballast_bytes,
            homes: self.stage.path().join("homes"),
        }));
    }

    /// Lets something break at moments that the seed decides.
    pub(crate) fn at_some_moments(&mut self, breaks: impl FnMut(&mut Self)) {
        self.in_rounds(if self.is_long() { ROUNDS_OF_LONG } else { 1 }, breaks);
    }

    /// Lets something break at one moment that the seed decides.
    pub(crate) fn once(&mut self, breaks: impl FnMut(&mut Self)) {
        self.in_rounds(1, breaks);
    }

    fn in_rounds(&mut self, rounds: u32, mut breaks: impl FnMut(&mut Self)) {
        for round in 0..rounds {
            let share = self.pushes as u64 / u64::from(rounds + 1);
            let within = self.seeded.next() % (share / 2 + 1);
            let after = share * u64::from(round) + share / 4 + within;
            self.fleet().wait_for(usize::try_from(after).expect("a number of pushes"));
            // Not a whole push later, but anywhere in one.
            thread::sleep(Duration::from_millis(self.seeded.next() % 100));
            self.witness.fault_begins();
            breaks(self);
            self.witness.fault_ends();
        }
    }

    /// Waits until a request has failed since the fault began.
    pub(crate) fn until_one_fails(&self) {
        self.until("a request fails", |scene| scene.witness.sees_failure(&scene.wires));
    }

    /// Waits until a request has failed or waits unusually long since the fault began; in a long run, until one failed.
    pub(crate) fn until_felt(&self) {
        if self.is_long() {
            return self.until_one_fails();
        }
        self.until("a request is held up", |scene| scene.witness.sees_delay(&scene.wires));
    }

    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let started = Instant::now();
        while !is_so(self) {
            assert!(started.elapsed() < PATIENCE, "it never came about that {what}");
            thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Returns when so many more pushes are confirmed, or all that there will be.
    pub(crate) fn go_on_for(&self, pushes: usize) {
        self.fleet().wait_for((self.fleet().confirmed() + pushes).min(self.pushes));
    }

    pub(crate) fn kill_node(&mut self, node: usize) {
        self.servers[node].take().expect("it runs").kill();
    }

    pub(crate) fn start_node(&mut self, node: usize) {
        let server = self.node(node).serve();
        self.balancer.lead(NODES[node], server.address()).expect("the balancer is told");
        self.balancer.wait_until_up(NODES[node]).expect("it is up");
        self.servers[node] = Some(server);
    }

    fn node(&self, node: usize) -> Node<'_> {
        let url = self.stage.path().join(format!("database-url-{}", NODES[node]));
        let with_url =
            self.stage.node(NODES[node]).with("ETUI_DATABASE_URL_FILE", &url.display().to_string());
        self.environment.iter().fold(with_url, |node, (name, value)| node.with(name, value))
    }

    fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().expect("the run has begun")
    }

    /// The end: every client recovers by itself, nothing is lost, nothing else is there, and every request was answered
    /// in time and as expected.
    pub(crate) fn check(mut self, expected: &Expected) {
        let fleet = self.fleet.take().expect("the run has begun");
        let pushes = fleet.finish(&format!("http://{}", self.balancer.address()));
        for node in NODES {
            self.balancer.wait_until_up(node).expect("a node recovers by itself");
        }
        assert_eq!(pushes, self.pushes.div_ceil(CLIENTS) * CLIENTS);
        self.node(0).verify();
        self.witness.judge(&self.wires, pushes, expected);
    }
}

fn number<T: std::str::FromStr>(variable: &str, default: T) -> T {
    env::var(variable)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
