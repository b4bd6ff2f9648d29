//! What `deploy/monitoring` asks for is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use etui_server::settings::{Given, MailSettings, Settings, TlsSettings};
use serde_json::Value;

use crate::{
    metrics::Scrape,
    support::{Person, TestServer},
};

/// Whatever begins so is a metric of the server.
const PREFIXES: [&str; 2] = ["etui_", "process_"];

/// With everything on that has metrics of its own.
async fn server() -> TestServer {
    let file = |name| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/certificate").join(name);
    TestServer::start_with(|settings| {
        settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
        settings.mail = mail();
        settings.tls = Some(TlsSettings { certificate: file("chain.pem"), key: file("key.pem") });
    })
    .await
}

/// Nothing is sent.
fn mail() -> Option<MailSettings> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    fs::write(&file, "mail_server = '127.0.0.1:1'\nmail_from = 'etui@example.org'\n").unwrap();
    Given::read(&file).and_then(Settings::resolve).unwrap().mail
}

fn read(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/monitoring");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
}

#[tokio::test]
async fn every_metric_that_board_and_alerts_name_is_in_a_scrape() {
    let server = server().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    server.push_entry(&mut person, &session, 1).await;
    server.get("/v1/nowhere", &session).await;
    let job_is_over = |scrape: &BTreeMap<_, _>| {
        scrape.keys().any(|name: &String| name.starts_with("etui_job_last_success_timestamp_seconds"))
    };
    let samples = loop {
        let samples = Scrape::of(&server).await.0;
        // Jobs begin with the server, beside it.
        if job_is_over(&samples) {
            break samples;
        }
    };
    let there: BTreeSet<&str> = samples.keys().map(|sample| sample.split('{').next().unwrap()).collect();
    for file in ["alerts.yml", "grafana.json"] {
        let text = read(file);
        let named: BTreeSet<&str> =
            words(&text).filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).collect();
        assert!(named.len() > 10, "{file} names {named:?}");
        for name in named {
            assert!(there.contains(name), "{file} names {name}, which is not among {there:#?}");
        }
    }
    let end_s = samples["etui_tls_certificate_end_timestamp_seconds"].parse::<u64>().unwrap();
    assert!(end_s > 4_900_000_000, "{end_s} is not in the year 2126");
}

#[test]
fn every_alert_is_tested_and_the_board_is_whole() {
    let (alerts, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let names: Vec<_> = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10);
    for name in names {
        // It is silent, and it fires.
        let expression = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        let fires = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\", ");
        assert!(tests.contains(&expression) && tests.contains(&fires), "{name} has no test");
    }
    let board: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{}", panel["title"]);
    }
}
