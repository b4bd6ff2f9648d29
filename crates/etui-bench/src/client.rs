//! The client's figures: the `etui` program as it is shipped, and its library for what happens inside the agent.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use etui_chain::{AccountId, ObjectId};
use etui_client::{Device, Home, OsRandom, now_ms};
use etui_crypto::{CheckedKdf, KdfParameters, MasterPassword, derive_master_key, random_id, random_salt};
use etui_vault::{Entry, Filter, Index};

use crate::{
    Arguments, entries,
    process::{Server, program},
    progress,
    table::{Figure, Table, Target},
};

const MASTER_PASSWORD: &str = "velvet harbour maple quilt";
const REPEATS: usize = 5;
const GETS: usize = 50;
const MANY: usize = 100_000;
/// What people type: one letter, a name, a name and a number, nothing that is there.
const QUERIES: [&str; 5] = ["m", "bank", "garden 77", "person3@example", "zebra crossing"];

pub(crate) async fn measure(folder: &Path, arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    let server = Server::start(&folder.join("server-of-client"))?;
    let person = Person::sign_up(folder, &server)?;
    table.add(person.import(arguments.entries)?);
    person.etui(&["lock"])?;
    let (unlock, search) = person.unlock_and_search().await?;
    table.add(unlock);
    table.add(search);
    table.add(search_many()?);
    person.etui(&["unlock", "--master-password-file", "master"])?;
    table.add(person.get()?);
    person.etui(&["lock"])?;
    Ok(())
}

struct Person {
    folder: PathBuf,
}

impl Person {
    fn sign_up(folder: &Path, server: &Server) -> anyhow::Result<Self> {
        let folder = folder.join("person");
        fs::create_dir(&folder)?;
        fs::write(folder.join("login"), "bench-login-Vp3!kd")?;
        fs::write(folder.join("master"), MASTER_PASSWORD)?;
        let person = Self { folder };
        let url = format!("http://{}", server.address);
        let files = ["--login-password-file", "login", "--master-password-file", "master"];
        person.etui(
            &[&["signup", "--server", &url, "--email", "bench@example.org", "--no-keyring"], &files[..]]
                .concat(),
        )?;
        Ok(person)
    }

    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    fn etui(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        let output = Command::new(program("etui")?)
            .args(arguments)
            .env("ETUI_HOME", self.home())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "etui {} failed: {errors}", arguments.join(" "));
        Ok(output.stdout)
    }

    fn import(&self, count: usize) -> anyhow::Result<Figure> {
        progress("importing all entries");
        let lines: Vec<String> = (0..count).map(entries::json_line).collect();
        fs::write(self.folder.join("entries.jsonl"), lines.join("\n"))?;
        let started = Instant::now();
        self.etui(&["import", "--format", "jsonl", "entries.jsonl"])?;
        let mut imported = [started.elapsed()];
        self.etui(&["sync"])?;
        let note = format!("durable after that; with sending them {:.1} s", started.elapsed().as_secs_f64());
        Ok(Figure { note, ..Figure::new("etui import, all entries") }.times(&mut imported))
    }

    async fn unlock_and_search(&self) -> anyhow::Result<(Figure, Figure)> {
        progress("unlocking and searching");
        let derive = derivation_time()?;
        let home = Home::at(self.home());
        let mut times = Vec::new();
        let mut searches = Vec::new();
        for _ in 0..REPEATS {
            let password = MasterPassword::new(MASTER_PASSWORD)?;
            let started = Instant::now();
            let device = Device::unlock(&home, &password).await?;
            times.push(started.elapsed());
            for query in QUERIES {
                let started = Instant::now();
                let found = device.search(query, &Filter::default(), 50);
                searches.push(started.elapsed());
                ensure!(found.is_empty() == (query == QUERIES[4]), "“{query}” found {}", found.len());
            }
        }
        let figure = Figure::new("unlock, all entries").times(&mut times);
        let us = figure.p50_us.unwrap_or_default();
        let target = Target::p50_us(us, derive.as_secs_f64() * 1e6 + 150_000.0);
        let note = format!("the key derivation alone takes {:.0} ms", derive.as_secs_f64() * 1e3);
        let unlock = Figure { targets: vec![target], note, ..figure };
        Ok((unlock, search_figure("search, all entries", &mut searches, 5000.0)))
    }

    fn get(&self) -> anyhow::Result<Figure> {
        progress("getting one field");
        let mut times = Vec::new();
        for number in 0..GETS {
            let title = entries::title(number * 7);
            let started = Instant::now();
            let printed = self.etui(&["get", &title, "--field", "password"])?;
            times.push(started.elapsed());
            ensure!(printed.starts_with(b"pw-"), "etui get printed something else");
        }
        let figure = Figure::new("etui get --field, agent unlocked").times(&mut times);
        let target = Target::p50_us(figure.p50_us.unwrap_or_default(), 15_000.0);
        Ok(Figure { targets: vec![target], ..figure })
    }
}

fn search_many() -> anyhow::Result<Figure> {
    progress("searching among 100,000");
    let mut index = Index::new();
    for number in 0..MANY {
        let id: ObjectId = random_id(&mut OsRandom)?;
        index.insert(id, &Entry::decode(&entries::body(number, now_ms())?)?);
    }
    let mut times = Vec::new();
    for query in QUERIES.iter().cycle().take(QUERIES.len() * REPEATS) {
        let started = Instant::now();
        let found = index.search(query, &Filter::default(), 50).len();
        times.push(started.elapsed());
        ensure!((found == 0) == (*query == QUERIES[4]), "“{query}” found {found}");
    }
    Ok(search_figure("search, 100,000 entries", &mut times, 50_000.0))
}

/// The slowest query counts, not the median.
fn search_figure(name: &'static str, times: &mut [Duration], most_us: f64) -> Figure {
    let figure = Figure::new(name).times(times);
    let target = Target::p50_us(figure.p99_us.unwrap_or_default(), most_us);
    Figure { targets: vec![target], ..figure }
}

fn derivation_time() -> anyhow::Result<Duration> {
    let account_id: AccountId = random_id(&mut OsRandom)?;
    let kdf = KdfParameters::FLOOR.describe(random_salt(&mut OsRandom), false);
    let (password, checked) = (MasterPassword::new(MASTER_PASSWORD)?, CheckedKdf::new(kdf, None)?);
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let started = Instant::now();
        derive_master_key(&password, None, &checked, account_id)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times.get(REPEATS / 2).copied().context("at least one derivation")
}
