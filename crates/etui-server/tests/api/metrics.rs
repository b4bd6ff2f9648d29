//! What is counted, as a collector gets it.

use std::collections::BTreeMap;

use etui_api::links::AskForLink;
use reqwest::Method;

use crate::support::{Person, TestServer, client, send};

/// A scrape: every sample by its name and labels.
pub(crate) struct Scrape(pub(crate) BTreeMap<String, String>);

impl Scrape {
    pub(crate) async fn of(server: &TestServer) -> Self {
        let url = format!("http://{}/metrics", server.metrics_address());
        let answer = send(client().get(url)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.headers["content-type"],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.ends_with("# EOF\n"));
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        Self(samples.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A number of things.
    fn count(&self, name: &str) -> u64 {
        self.value(name).parse().unwrap()
    }

    fn value(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("{name} is not among {:#?}", self.0.keys()))
    }
}

async fn server() -> TestServer {
    TestServer::start_with(|settings| settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = server().await;
    let mut person = Person::new(1);
    let session = server.sign_up(&person).await;
    server.push_entry(&mut person, &session, 1).await;
    let before = Scrape::of(&server).await;
    let pull = |after: u64| format!("/v1/vaults/{}/changes?after={after}", person.vault_id);
    let mut sent_bytes = 0;
    for after in [0, 0, 1, 2] {
        sent_bytes += server.get(&pull(after), &session).await.body.len();
    }
    server.request(Method::GET, "/nowhere").send().await.unwrap();
    server.post_json("/v1/sessions", &person.sign_in()).await;
    let mut wrong = person.sign_in();
    wrong.email = "nobody@example.org".to_owned();
    server.post_json("/v1/sessions", &wrong).await;
    let asked = AskForLink { email: person.email.clone(), device_id: person.device_id };
    server.post_json("/v1/sign-ins/links", &asked).await;
    let after = Scrape::of(&server).await;

    let grown = |name: &str| after.count(name) - before.count(name);
    assert_eq!(after.count(r#"etui_pushes_total{outcome="taken"}"#), 1);
    let pulls =
        ["whole", "delta", "nothing"].map(|kind| grown(&format!("etui_pulls_total{{kind=\"{kind}\"}}")));
    assert_eq!(pulls, [2, 1, 1]);
    // The entry of the sign-up and the pushed one, twice; then the pushed one alone.
    assert_eq!((grown("etui_records_read_total"), grown("etui_records_written_total")), (5, 0));
    assert!(grown("etui_sent_bytes_total") >= sent_bytes as u64);
    assert!(grown("etui_received_bytes_total") > 100);
    let pulled = r#"{method="GET",route="/v1/vaults/{vault_id}/changes""#;
    assert_eq!(after.count(&format!("etui_requests_total{pulled},status=\"2xx\"}}")), 4);
    assert_eq!(after.count(&format!("etui_request_duration_seconds_count{pulled}}}")), 4);
    assert_eq!(after.count(r#"etui_requests_total{method="GET",route="-",status="4xx"}"#), 1);
    assert_eq!(grown(r#"etui_problems_total{code="not_found"}"#), 1);
    assert_eq!(grown(r#"etui_sign_ins_total{method="login_password",outcome="done"}"#), 1);
    let attempts =
        |outcome| format!("etui_attempts_total{{target=\"login_password\",outcome=\"{outcome}\"}}");
    assert_eq!((after.count(&attempts("begun")), after.count(&attempts("succeeded"))), (2, 1));
    assert_eq!(after.count(r#"etui_attempts_total{target="letter",outcome="begun"}"#), 1);
    assert_eq!((after.count("etui_accounts"), after.count("etui_requests_running")), (1, 0));
    assert!(after.count("process_resident_memory_bytes") > 1 << 20);
    assert!(after.count("process_open_fds") > 3 && after.count("etui_data_free_bytes") > 0);
    assert!(after.count("etui_database_connections_max") >= 1);
    assert!(after.value("process_cpu_seconds_total").parse::<f64>().unwrap() >= 0.0);
    server.stop().await;
}

#[tokio::test]
async fn no_id_and_no_name_is_a_label() {
    let server = server().await;
    let person = Person::new(2);
    let session = server.sign_up(&person).await;
    let token = session.access_token.expose();
    for path in ["/canary-path", "/v1/vaults/canary-id/changes", "/v1/devices?canary-query"] {
        send(server.request(Method::from_bytes(b"CANARY").unwrap(), path).bearer_auth(token)).await;
        server.get(path, &session).await;
    }
    let text = Scrape::of(&server).await.0.into_keys().collect::<Vec<_>>().join("\n").to_lowercase();
    let ids = [person.account_id.to_string(), person.device_id.to_string(), person.vault_id.to_string()];
    for never in
        ["canary", "example.org", "127.0.0.1", token].into_iter().chain(ids.iter().map(String::as_str))
    {
        assert!(!text.contains(never), "{never} is in a scrape:\n{text}");
    }
}

#[tokio::test]
async fn metrics_are_nowhere_unless_asked_for() {
    let server = TestServer::start().await;
    assert_eq!(send(server.request(Method::GET, "/metrics")).await.status, 404);
}
