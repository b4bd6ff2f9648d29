//! The server's figures: SQLite with `synchronous=FULL`, a folder, one connection unless said otherwise.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use argon2::{Algorithm, Argon2, Params, Version};
use etui_chain::ObjectId;
use etui_client::now_ms;
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Arguments,
    access::{log_line, token_check},
    account::{Account, EMAIL},
    disk, entries,
    http::Connection,
    process::{Server, administer, program},
    progress,
    table::{Figure, Table, Target},
};

const JSON: &str = "application/json";
const WARM_UP: usize = 200;
/// Records that are got one by one.
const SPREAD: usize = 997;
const SINGLE_PUSHES: u32 = 500;
const FIRST_PULLS: u32 = 10;
const SIGN_INS: u32 = 20;
const SIGN_INS_AT_ONCE: usize = 200;
/// So many login passwords of one account are hashed at once, and no more (`docs/design/0009-limits.md`).
const SIGN_INS_OF_AN_ACCOUNT: usize = 8;
/// The most that they may take together, however many cores there are.
const MOST_SIGN_INS_MIB: u64 = 256;
/// Whoever else asks something waits no longer, 99 times of a hundred.
const MOST_OTHERS_P99_US: f64 = 50_000.0;
/// By then every job of the server has looked at what is due.
const SETTLING: Duration = Duration::from_secs(5);
const MIB: u64 = 1 << 20;

pub(crate) async fn measure(folder: &Path, arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    progress("starting the server");
    let syncs_per_s = disk::syncs_per_s(folder)?;
    let data = folder.join("server");
    let server = Server::start(&data)?;
    table.add(binary_size(folder)?);
    table.add(first_start(&server));
    tokio::time::sleep(SETTLING).await;
    table.add(idle_memory(&server)?);
    let mut bench = Bench::new(server, arguments.requests).await?;
    table.add(bench.push_all(arguments.entries).await?);
    table.add(bench.first_pull().await?);
    table.add(bench.delta().await?);
    table.add(bench.nothing_changed().await?);
    table.add(bench.single_record().await?);
    table.add(bench.token_check().await?);
    table.add(log_line(&bench.server, &folder.join("quiet"), arguments.requests).await?);
    table.add(bench.single_pushes(syncs_per_s).await?);
    administer(&data, &["plan", "define", "limited", r#"{"entries": 1000000}"#])?;
    administer(&data, &["plan", "set", EMAIL, "limited"])?;
    table.add(bench.limited_pushes().await?);
    table.add(bench.sign_in().await?);
    for figure in bench.many_sign_ins().await? {
        table.add(figure);
    }
    table.add(bench.memory_after_all()?);
    Ok(())
}

fn binary_size(folder: &Path) -> anyhow::Result<Figure> {
    let stripped = folder.join("etui-server.stripped");
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(program("etui-server")?).status()?;
    ensure!(status.success(), "strip failed: is binutils installed?");
    let bytes = fs::metadata(&stripped)?.len();
    let target = Target::new("≤ 25 MB", bytes <= 25_000_000);
    Ok(Figure { bytes: Some(bytes), targets: vec![target], ..Figure::new("server binary, stripped") })
}

fn first_start(server: &Server) -> Figure {
    let us = server.started_in.as_secs_f64() * 1e6;
    let target = Target::p50_us(us, 100_000.0);
    Figure { p50_us: Some(us), targets: vec![target], ..Figure::new("first start, empty folder") }
}

fn idle_memory(server: &Server) -> anyhow::Result<Figure> {
    let kib = server.memory_kib()?;
    let targets = vec![Target::memory_mib(kib, 20)];
    Ok(Figure { targets, ..Figure::new("idle after start") }.memory(kib, "resident"))
}

/// A server with one account, and what has been made in it.
struct Bench {
    server: Server,
    connection: Connection,
    account: Account,
    requests: u32,
    object_ids: Vec<ObjectId>,
}

impl Bench {
    async fn new(server: Server, requests: u32) -> anyhow::Result<Self> {
        let mut connection = Connection::open(&server.address).await?;
        let account = Account::create(&mut connection, EMAIL).await?;
        Ok(Self { server, connection, account, requests, object_ids: Vec::new() })
    }

    async fn push_all(&mut self, entries: usize) -> anyhow::Result<Figure> {
        progress("pushing all entries in one commit");
        let bodies: Vec<_> =
            (0..entries).map(|number| entries::body(number, now_ms())).collect::<Result<_, _>>()?;
        let (body, ids) = self.account.prepare(&bodies)?;
        ensure!(!ids.is_empty(), "at least one entry is needed");
        self.object_ids = ids;
        let bytes = body.len() as u64;
        self.server.forget_peak()?;
        let (cpu, started) = (self.server.cpu()?, Instant::now());
        self.account.push(&mut self.connection, body).await?;
        let mut took = [started.elapsed()];
        let cpu_us = self.server.cpu_us_since(cpu)?;
        let target = Target::p50_us(micros(took[0]), 500_000.0);
        let figure = Figure {
            cpu_us: Some(cpu_us),
            bytes: Some(bytes),
            targets: vec![target],
            ..Figure::new("push of all entries, one commit")
        };
        Ok(figure.times(&mut took).memory(self.server.peak_kib()?, "peak"))
    }

    async fn first_pull(&mut self) -> anyhow::Result<Figure> {
        progress("pulling everything");
        let path = format!("/v1/vaults/{}/changes", self.account.vault_id()?);
        let before_kib = self.server.memory_kib()?;
        self.server.forget_peak()?;
        let cpu = self.server.cpu()?;
        let mut bytes = 0;
        let mut times = Vec::new();
        for _ in 0..FIRST_PULLS {
            let started = Instant::now();
            bytes = self.connection.drain(&path, self.account.token()).await?;
            times.push(started.elapsed());
        }
        let cpu_us = self.server.cpu_us_since(cpu)? / f64::from(FIRST_PULLS);
        let growth_kib = self.server.peak_kib()?.saturating_sub(before_kib);
        let most_bytes = self.account.pushed_record_bytes * 11 / 10;
        let targets = vec![
            Target::bytes(bytes, most_bytes),
            Target::cpu_us(cpu_us, 60_000.0),
            Target::new("growth ≤ 8 MiB", growth_kib <= 8 << 10),
        ];
        let note = format!("the sealed records have {} B", self.account.pushed_record_bytes);
        let figure = Figure {
            cpu_us: Some(cpu_us),
            bytes: Some(bytes),
            targets,
            note,
            ..Figure::new("first pull of all entries")
        };
        Ok(figure.times(&mut times).memory(growth_kib, "growth"))
    }

    async fn delta(&mut self) -> anyhow::Result<Figure> {
        progress("pulling one changed entry");
        let before = self.account.head_seq()?;
        let (body, _) = self.account.prepare(&[entries::small_body(now_ms())?])?;
        self.account.push(&mut self.connection, body).await?;
        ensure!(
            self.account.pushed_record_bytes == 648,
            "the small record has {} bytes",
            self.account.pushed_record_bytes
        );
        let path = format!("/v1/vaults/{}/changes?after={before}", self.account.vault_id()?);
        let figure = self.repeated("pull of one changed entry", &[path]).await?;
        Ok(with_targets(figure, 2048, 200.0))
    }

    async fn nothing_changed(&mut self) -> anyhow::Result<Figure> {
        progress("pulling nothing");
        let path =
            format!("/v1/vaults/{}/changes?after={}", self.account.vault_id()?, self.account.head_seq()?);
        let figure = self.repeated("pull, nothing changed", &[path]).await?;
        Ok(with_targets(figure, 300, 150.0))
    }

    async fn single_record(&mut self) -> anyhow::Result<Figure> {
        progress("getting single records");
        let folder = format!("/v1/vaults/{}/records", self.account.vault_id()?);
        // All over the vault, so that nothing but the operating system can have kept it at hand.
        let ids = self.object_ids.iter().step_by(self.object_ids.len() / SPREAD + 1);
        let paths: Vec<_> = ids.map(|id| format!("{folder}/{id}")).collect();
        let mut figure = self.repeated("GET of one record", &paths).await?;
        figure.bytes = None;
        figure.targets = vec![Target::cpu_us(figure.cpu_us.unwrap_or_default(), 150.0)];
        Ok(figure)
    }

    async fn token_check(&mut self) -> anyhow::Result<Figure> {
        let name = "token check of a request";
        token_check(&self.server, &mut self.connection, self.account.token(), self.requests, name).await
    }

    /// The same GETs over and over on one connection.
    async fn repeated(&mut self, name: &'static str, paths: &[String]) -> anyhow::Result<Figure> {
        let mut bytes = 0;
        for path in paths.iter().cycle().take(WARM_UP) {
            bytes = self.connection.get(path, self.account.token()).await?.len() as u64;
        }
        let mut times = Vec::new();
        let cpu = self.server.cpu()?;
        for path in paths.iter().cycle().take(self.requests as usize) {
            let started = Instant::now();
            self.connection.get(path, self.account.token()).await?;
            times.push(started.elapsed());
        }
        let cpu_us = self.server.cpu_us_since(cpu)? / f64::from(self.requests);
        Ok(Figure { cpu_us: Some(cpu_us), bytes: Some(bytes), ..Figure::new(name) }.times(&mut times))
    }

    async fn single_pushes(&mut self, syncs_per_s: f64) -> anyhow::Result<Figure> {
        progress("pushing single entries");
        let (figure, per_s) = self.pushes("push of one entry").await?;
        let target = Target::new("≥ half of the disk's syncs", per_s >= syncs_per_s / 2.0);
        let note = format!("{per_s:.0} a second; the disk syncs 4 KiB {syncs_per_s:.0} times a second");
        Ok(Figure { targets: vec![target], note, ..figure })
    }

    async fn limited_pushes(&mut self) -> anyhow::Result<Figure> {
        progress("pushing single entries under a plan");
        let (figure, per_s) = self.pushes("push of one entry, plan with a limit").await?;
        Ok(Figure { note: format!("{per_s:.0} a second"), ..figure })
    }

    /// One after the other, and how many a second.
    async fn pushes(&mut self, name: &'static str) -> anyhow::Result<(Figure, f64)> {
        let cpu = self.server.cpu()?;
        let mut bytes = 0;
        let mut times = Vec::new();
        for _ in 0..SINGLE_PUSHES {
            let (body, _) = self.account.prepare(&[entries::small_body(now_ms())?])?;
            bytes = body.len() as u64;
            let started = Instant::now();
            self.account.push(&mut self.connection, body).await?;
            times.push(started.elapsed());
        }
        let cpu_us = self.server.cpu_us_since(cpu)? / f64::from(SINGLE_PUSHES);
        let per_s = f64::from(SINGLE_PUSHES) / times.iter().sum::<Duration>().as_secs_f64();
        let figure = Figure { cpu_us: Some(cpu_us), bytes: Some(bytes), ..Figure::new(name) };
        Ok((figure.times(&mut times), per_s))
    }

    async fn sign_in(&mut self) -> anyhow::Result<Figure> {
        progress("signing in");
        let hash_us = hash_us()?;
        let mut times = Vec::new();
        let cpu = self.server.cpu()?;
        for _ in 0..SIGN_INS {
            let started = Instant::now();
            self.connection.post("/v1/sessions", None, JSON, Account::sign_in_body(EMAIL)?).await?;
            times.push(started.elapsed());
        }
        let cpu_us = self.server.cpu_us_since(cpu)? / f64::from(SIGN_INS);
        let targets = vec![Target::cpu_us(cpu_us, hash_us + 2000.0)];
        let note = format!("its Argon2id hash alone takes {:.1} ms", hash_us / 1000.0);
        let figure = Figure { cpu_us: Some(cpu_us), targets, note, ..Figure::new("sign-in") };
        Ok(figure.times(&mut times))
    }

    async fn many_sign_ins(&mut self) -> anyhow::Result<[Figure; 2]> {
        progress("signing in many times at once");
        // New devices of one account sign in a few at a time (`docs/design/0009-limits.md`).
        let emails: Vec<_> = (0..SIGN_INS_AT_ONCE / SIGN_INS_OF_AN_ACCOUNT)
            .map(|number| format!("many-{number}@example.org"))
            .collect();
        for email in &emails {
            Account::create(&mut self.connection, email).await?;
        }
        let before_kib = self.server.memory_kib()?;
        self.server.forget_peak()?;
        let mut running = tokio::task::JoinSet::new();
        for number in 0..SIGN_INS_AT_ONCE {
            let email = &emails[number % emails.len()];
            let (address, body) = (self.server.address.clone(), Account::sign_in_body(email)?);
            running.spawn(async move {
                let started = Instant::now();
                let mut connection = Connection::open(&address).await?;
                connection.post("/v1/sessions", None, JSON, body).await?;
                anyhow::Ok(started.elapsed())
            });
        }
        let path =
            format!("/v1/vaults/{}/changes?after={}", self.account.vault_id()?, self.account.head_seq()?);
        let (mut times, mut others) = (Vec::new(), Vec::new());
        // Others ask for news meanwhile, one request after the other.
        while !running.is_empty() {
            let started = Instant::now();
            self.connection.get(&path, self.account.token()).await?;
            others.push(started.elapsed());
            while let Some(signed_in) = running.try_join_next() {
                times.push(signed_in??);
            }
        }
        let growth_kib = self.server.peak_kib()?.saturating_sub(before_kib);
        let at_once =
            std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1) as u64;
        // Each hash takes 19 MiB; a second one at the same time would show.
        let most_mib = at_once * 19 + 12;
        let grown_to = |mib| Target::new(format!("growth ≤ {mib} MiB"), growth_kib * 1024 <= mib * MIB);
        let targets = vec![grown_to(most_mib), grown_to(MOST_SIGN_INS_MIB)];
        let note = format!("{at_once} hash(es) of 19 MiB at once, the others wait");
        let sign_ins = Figure { targets, note, ..Figure::new("200 sign-ins at once") };
        let note = format!("{} requests of a device that asks for news", others.len());
        let others = Figure { note, ..Figure::new("other requests meanwhile") }.times(&mut others);
        let p99_us = others.p99_us.unwrap_or(f64::INFINITY);
        let target = Target::new("p99 ≤ 50 ms", p99_us <= MOST_OTHERS_P99_US);
        let others = Figure { targets: vec![target], ..others };
        Ok([sign_ins.times(&mut times).memory(growth_kib, "growth"), others])
    }

    fn memory_after_all(&self) -> anyhow::Result<Figure> {
        let kib = self.server.memory_kib()?;
        let targets = vec![Target::memory_mib(kib, 100)];
        Ok(Figure { targets, ..Figure::new("after all load") }.memory(kib, "resident"))
    }
}

fn with_targets(mut figure: Figure, most_bytes: u64, most_us: f64) -> Figure {
    figure.targets = vec![
        Target::bytes(figure.bytes.unwrap_or_default(), most_bytes),
        Target::cpu_us(figure.cpu_us.unwrap_or_default(), most_us),
    ];
    figure
}

/// Processor time of one login hash on this machine now: the server's parameters, its library, nothing around it.
fn hash_us() -> anyhow::Result<f64> {
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = [0; 32];
    let before = thread_cpu();
    for _ in 0..SIGN_INS {
        let hashed = argon2.hash_password_into(&[7; 32], &[9; 16], &mut out);
        hashed.map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(micros(thread_cpu().saturating_sub(before)) / f64::from(SIGN_INS))
}

/// Processor time of this thread: what others do with the machine meanwhile does not count.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
