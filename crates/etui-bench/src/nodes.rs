//! Nodes over PostgreSQL and an S3 server, both durable and on this machine: what they can do themselves stands beside.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use etui_client::now_ms;
use etui_services::{Ceph, Durability, Postgres};
use object_store::{
    ObjectStoreExt as _, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Key,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{
    Arguments,
    access::token_check,
    account::Account,
    disk, entries,
    http::Connection,
    process::Server,
    progress,
    table::{Figure, Table, Target},
};

const SINGLE: u32 = 300;
const WARM_UP: usize = 30;
/// Rounds of the load that is compared on one node and on two: processor time comes in hundredths of a second.
const ROUNDS: usize = 1000;
/// A body whose record is an object of its own.
const LARGE_BYTES: usize = 20_000;
/// Commits by which the scattered vault is filled: each an object, and few enough not to be compacted by the pushes.
const SCATTERED_COMMITS: usize = 45;
/// Longer than the server takes to look for what is scattered.
const COMPACTION_PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

pub(crate) async fn measure(folder: &Path, arguments: &Arguments, table: &mut Table) -> anyhow::Result<()> {
    progress("starting PostgreSQL and an S3 server");
    let services = Services { postgres: Postgres::start(Durability::Durable)?, ceph: Ceph::start()? };
    let folder = folder.join("nodes");
    fs::create_dir(&folder)?;
    let own = Own::measure(&folder, &services, table).await?;
    let one = services.node(&folder, "one")?;
    let mut connection = Connection::open(&one.address).await?;
    let mut account = Account::create(&mut connection, "one@example.org").await?;
    let name = "token check of a request, PostgreSQL";
    table.add(token_check(&one, &mut connection, account.token(), arguments.requests, name).await?);
    table.add(push_all(&one, &mut connection, &mut account, &services, arguments.entries).await?);
    table.add(first_pull(&services, &folder, &account, "first pull of all, from a bucket", 10).await?);
    for (name, what, most_cpu_us) in [
        ("push of one changed entry, PostgreSQL", What::Changed, Some(600.0)),
        ("push of one new entry, PostgreSQL", What::New, Some(600.0)),
        ("push of one large entry, to a bucket", What::Large, None),
    ] {
        progress(name);
        let figure = pushes(&one, &mut connection, &mut account, what, name).await?;
        table.add(with_latency(figure, &own, most_cpu_us));
    }
    scattered(&services, &folder, &mut connection, arguments.entries, table).await?;
    two_nodes(&services, &folder, one, table).await
}

struct Services {
    postgres: Postgres,
    ceph: Ceph,
}

impl Services {
    /// A node with nothing in its memory.
    fn node(&self, folder: &Path, name: &str) -> anyhow::Result<Server> {
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map(|()| path.into_os_string())
        };
        let s3 = self.ceph.variables().map(|(_, value)| value);
        let [endpoint, bucket, access_key, secret_key] = s3;
        let options: [(&str, OsString); 5] = [
            ("--database-url-file", file("database-url", format!("{}/postgres", self.postgres.url()))?),
            ("--s3-credentials-file", file("s3-keys", format!("{access_key}\n{secret_key}\n"))?),
            ("--s3-bucket", bucket.into()),
            ("--s3-endpoint", endpoint.into()),
            ("--token-key-file", folder.join("token.key").into_os_string()),
        ];
        let options: Vec<_> = options.into_iter().flat_map(|(name, value)| [name.into(), value]).collect();
        Server::start_with(&folder.join(name), &options)
    }

    fn bucket(&self) -> anyhow::Result<AmazonS3> {
        let [endpoint, bucket, access_key, secret_key] = self.ceph.variables().map(|(_, value)| value);
        let builder = AmazonS3Builder::new().with_endpoint(endpoint).with_allow_http(true);
        let builder = builder.with_bucket_name(bucket).with_region("us-east-1");
        Ok(builder.with_access_key_id(access_key).with_secret_access_key(secret_key).build()?)
    }

    /// How many requests with a method the S3 server has had, once no more come.
    async fn requests(&self, method: &str) -> anyhow::Result<usize> {
        let mut seen = self.ceph.requests(method)?;
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            let now = self.ceph.requests(method)?;
            if now == seen {
                return Ok(now);
            }
            seen = now;
        }
    }
}

/// What database and S3 server do by themselves, at the median, in microseconds.
struct Own {
    commit_us: f64,
    put_us: f64,
}

impl Own {
    async fn measure(folder: &Path, services: &Services, table: &mut Table) -> anyhow::Result<Self> {
        progress("measuring database and S3 server alone");
        let syncs_per_s = disk::syncs_per_s(folder)?;
        let mut commits = commits(services).await?;
        let commit = Figure {
            note: format!(
                "{:.0} a second; the disk syncs 4 KiB {syncs_per_s:.0} times a second",
                rate(&commits)
            ),
            ..Figure::new("PostgreSQL alone: one commit")
        }
        .times(&mut commits);
        let (mut puts, mut gets) = puts_and_gets(services).await?;
        let note = |times: &[Duration]| format!("{:.0} a second, one after the other, 1 KiB", rate(times));
        let put = Figure { note: note(&puts), ..Figure::new("S3 server alone: one put") }.times(&mut puts);
        let get = Figure { note: note(&gets), ..Figure::new("S3 server alone: one get") }.times(&mut gets);
        let median = |figure: &Figure| figure.p50_us.context("it was measured");
        let own = Self { commit_us: median(&commit)?, put_us: median(&put)? };
        for figure in [commit, put, get] {
            table.add(figure);
        }
        Ok(own)
    }
}

async fn commits(services: &Services) -> anyhow::Result<Vec<Duration>> {
    let mut database = PgConnection::connect(&format!("{}/postgres", services.postgres.url())).await?;
    database.execute("CREATE TABLE bench_alone (value bytea)").await?;
    let mut times = Vec::new();
    for _ in 0..SINGLE {
        let started = Instant::now();
        database.execute("INSERT INTO bench_alone VALUES (decode(repeat('00', 700), 'hex'))").await?;
        times.push(started.elapsed());
    }
    database.execute(AssertSqlSafe("DROP TABLE bench_alone".to_owned())).await?;
    database.close().await?;
    Ok(times)
}

async fn puts_and_gets(services: &Services) -> anyhow::Result<(Vec<Duration>, Vec<Duration>)> {
    let bucket = services.bucket()?;
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    for number in 0..SINGLE {
        let key = Key::from(format!("alone/{number}"));
        let started = Instant::now();
        bucket.put(&key, PutPayload::from_static(&[7; 1024])).await?;
        puts.push(started.elapsed());
        let started = Instant::now();
        bucket.get(&key).await?.bytes().await?;
        gets.push(started.elapsed());
        bucket.delete(&key).await?;
    }
    Ok((puts, gets))
}

async fn push_all(
    node: &Server,
    connection: &mut Connection,
    account: &mut Account,
    services: &Services,
    count: usize,
) -> anyhow::Result<Figure> {
    progress("pushing all entries in one commit, to a bucket");
    let (body, _) = account.prepare(&bodies(count)?)?;
    let bytes = body.len() as u64;
    let puts = services.requests("PUT").await?;
    let (cpu, started) = (node.cpu()?, Instant::now());
    account.push(connection, body).await?;
    let mut took = [started.elapsed()];
    let cpu_us = node.cpu_us_since(cpu)?;
    let puts = services.requests("PUT").await? - puts;
    let targets = vec![Target::p50_us(micros(took[0]), 2_000_000.0), Target::new("one S3 put", puts == 1)];
    let figure = Figure {
        cpu_us: Some(cpu_us),
        bytes: Some(bytes),
        targets,
        note: format!("{puts} S3 put(s)"),
        ..Figure::new("push of all, to a bucket")
    };
    Ok(figure.times(&mut took))
}

/// By a node that has nothing in its memory.
async fn first_pull(
    services: &Services,
    folder: &Path,
    account: &Account,
    name: &'static str,
    most_requests: usize,
) -> anyhow::Result<Figure> {
    progress(name);
    let node = services.node(folder, "cold")?;
    let mut connection = Connection::open(&node.address).await?;
    let path = format!("/v1/vaults/{}/changes", account.vault_id()?);
    let gets = services.requests("GET").await?;
    let (cpu, started) = (node.cpu()?, Instant::now());
    let bytes = connection.drain(&path, account.token()).await?;
    let mut took = [started.elapsed()];
    let cpu_us = node.cpu_us_since(cpu)?;
    let gets = services.requests("GET").await? - gets;
    ensure!(gets > 0, "the S3 server's log says nothing of its requests");
    let figure = Figure {
        cpu_us: Some(cpu_us),
        bytes: Some(bytes),
        targets: vec![Target::new(format!("≤ {most_requests} S3 gets"), gets <= most_requests)],
        note: format!("{gets} S3 gets"),
        ..Figure::new(name)
    };
    Ok(figure.times(&mut took))
}

/// What is pushed alone.
#[derive(Clone, Copy)]
enum What {
    /// New content for an entry.
    Changed,
    New,
    /// New, and too large for a row.
    Large,
}

async fn pushes(
    node: &Server,
    connection: &mut Connection,
    account: &mut Account,
    what: What,
    name: &'static str,
) -> anyhow::Result<Figure> {
    let body = match what {
        What::Changed | What::New => entries::small_body(now_ms())?,
        What::Large => entries::large_body(now_ms(), LARGE_BYTES)?,
    };
    let (first, ids) = account.prepare(std::slice::from_ref(&body))?;
    account.push(connection, first).await?;
    let mut times = Vec::new();
    let mut bytes = 0;
    let mut cpu = Duration::ZERO;
    for number in 0..SINGLE as usize + WARM_UP {
        if number == WARM_UP {
            (cpu, times) = (node.cpu()?, Vec::new());
        }
        let push = match what {
            What::Changed => account.prepare_change(ids[0], &body)?,
            What::New | What::Large => account.prepare(std::slice::from_ref(&body))?.0,
        };
        bytes = push.len() as u64;
        let started = Instant::now();
        account.push(connection, push).await?;
        times.push(started.elapsed());
    }
    let cpu_us = node.cpu_us_since(cpu)? / f64::from(SINGLE);
    Ok(Figure { cpu_us: Some(cpu_us), bytes: Some(bytes), ..Figure::new(name) }.times(&mut times))
}

fn with_latency(mut figure: Figure, own: &Own, most_cpu_us: Option<f64>) -> Figure {
    let most_us = own.put_us + own.commit_us + 3000.0;
    figure.targets.extend(most_cpu_us.map(|most| Target::cpu_us(figure.cpu_us.unwrap_or_default(), most)));
    figure.targets.push(Target::p50_us(figure.p50_us.unwrap_or_default(), most_us));
    figure
}

/// A vault of many pushes, pulled before and after it was compacted.
async fn scattered(
    services: &Services,
    folder: &Path,
    connection: &mut Connection,
    count: usize,
    table: &mut Table,
) -> anyhow::Result<()> {
    progress("filling a vault by many pushes");
    let mut account = Account::create(connection, "scattered@example.org").await?;
    let bodies = bodies(count)?;
    for some in bodies.chunks(count.div_ceil(SCATTERED_COMMITS)) {
        let (body, _) = account.prepare(some)?;
        account.push(connection, body).await?;
    }
    let before = first_pull(services, folder, &account, "first pull, 45 pushes, at once", 64).await?;
    table.add(before);
    let started = Instant::now();
    let mut puts = services.requests("PUT").await?;
    // Every node looks every ten seconds: when two looks long nothing was written, all is done.
    while started.elapsed() < COMPACTION_PATIENCE {
        tokio::time::sleep(Duration::from_secs(21)).await;
        let now = services.requests("PUT").await?;
        if now == puts {
            break;
        }
        puts = now;
    }
    table.add(first_pull(services, folder, &account, "first pull, 45 pushes, compacted", 10).await?);
    Ok(())
}

/// The same load on one node, and spread over two: each account stays where it is, as behind a load balancer.
async fn two_nodes(services: &Services, folder: &Path, one: Server, table: &mut Table) -> anyhow::Result<()> {
    progress("the same load on one node and on two");
    let two = services.node(folder, "two")?;
    let alone = load([&one, &one], "alone").await?;
    let spread = load([&one, &two], "spread").await?;
    let name = |nodes| format!("push, pull and get over {nodes}");
    let target = Target::new("CPU ≤ on one node + 5 %", spread <= alone * 1.05);
    table.add(Figure { cpu_us: Some(alone), note: name("one node"), ..Figure::new("request, one node") });
    let figure = Figure::new("request, two nodes");
    table.add(Figure { cpu_us: Some(spread), note: name("two nodes"), targets: vec![target], ..figure });
    Ok(())
}

/// Two accounts push, pull and get in turn; CPU of all nodes for each request, in microseconds.
async fn load(nodes: [&Server; 2], prefix: &str) -> anyhow::Result<f64> {
    let mut people = Vec::new();
    for (number, node) in nodes.into_iter().enumerate() {
        let mut connection = Connection::open(&node.address).await?;
        let account = Account::create(&mut connection, &format!("{prefix}-{number}@example.org")).await?;
        people.push((connection, account));
    }
    let body = entries::small_body(now_ms())?;
    let mut cpu = Duration::ZERO;
    let mut requests = 0_u32;
    for round in 0..ROUNDS + WARM_UP {
        if round == WARM_UP {
            (cpu, requests) = (cpu_of(nodes)?, 0);
        }
        for (connection, account) in &mut people {
            let (push, ids) = account.prepare(std::slice::from_ref(&body))?;
            account.push(connection, push).await?;
            let vault = format!("/v1/vaults/{}", account.vault_id()?);
            let after = account.head_seq()? - 1;
            connection.get(&format!("{vault}/changes?after={after}"), account.token()).await?;
            connection.get(&format!("{vault}/records/{}", ids[0]), account.token()).await?;
            requests += 3;
        }
    }
    Ok(cpu_of(nodes)?.saturating_sub(cpu).as_secs_f64() * 1e6 / f64::from(requests))
}

fn cpu_of(nodes: [&Server; 2]) -> anyhow::Result<Duration> {
    let [one, two] = nodes;
    Ok(if std::ptr::eq(one, two) { one.cpu()? } else { one.cpu()? + two.cpu()? })
}

fn bodies(count: usize) -> anyhow::Result<Vec<Vec<u8>>> {
    (0..count).map(|number| entries::body(number, now_ms())).collect()
}

fn rate(times: &[Duration]) -> f64 {
    f64::from(SINGLE) / times.iter().sum::<Duration>().as_secs_f64()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
