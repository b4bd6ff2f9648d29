//! `etui-evil`, the program: what somebody sees who points a client at it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use etui_testkit::{Server, Stage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

struct Evil {
    process: Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Evil {
    /// Stands between the devices of a stage and its server.
    fn between(stage: &Stage, server: &Server, script: &str) -> Self {
        stage.write("lies.toml", script);
        let mut process = Command::new(env!("CARGO_BIN_EXE_etui-evil"))
            .args(["--upstream", &format!("http://{}", server.address()), "--listen", "127.0.0.1:0"])
            .args(["--script", "lies.toml", "--json"])
            .current_dir(stage.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("etui-evil runs");
        let mut errors = BufReader::new(process.stderr.take().expect("piped"));
        let mut line = String::new();
        errors.read_line(&mut line).expect("a line");
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once(','));
        let (address, _) = address.unwrap_or_else(|| panic!("an address: {line}"));
        stage.lead_to(address.parse().expect("an address"));
        Self { process, errors }
    }

    /// Presses Ctrl-C; each exchange that it has printed, and what it said at the end.
    fn stop(mut self) -> (Vec<Value>, String) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::INT).expect("it runs");
        let printed: ChildStdout = self.process.stdout.take().expect("piped");
        let lines = BufReader::new(printed).lines().map(|line| line.expect("a line"));
        let exchanges = lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect();
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("text");
        assert!(self.process.wait().expect("it ends").success());
        (exchanges, said)
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_etui-evil")).args(arguments).output().expect("etui-evil runs")
}

#[test]
fn a_file_of_lies_is_told_to_any_client() {
    let stage = Stage::new();
    let server = stage.serve();
    let evil = Evil::between(
        &stage,
        &server,
        r#"
        [[lie]]
        name = "keeps a record back from whoever joins, once"
        on = "GET /v1/vaults/*/changes"
        since = "GET /v1/keysets"
        times = 1
        do = [{ drop = "last record" }]

        [[lie]]
        name = "makes the derivation cheaper, the second time it is asked"
        on = "GET /v1/keysets"
        after = 1
        times = 1
        do = [{ set = { at = "/kdf/m_kib", to = 8 } }]
        "#,
    );
    let (one, two) = (stage.device("one"), stage.device("two"));
    one.sign_up();
    one.add("Mail", "ada", "kept");
    one.ok(&["sync"]);
    assert_eq!(two.failure(5, &two.credentials("login"))["refusal"], "missing");
    assert_eq!(two.failure(5, &two.credentials("login"))["refusal"], "kdf_floor");
    two.log_in();
    assert_eq!(two.field("Mail", "password"), "kept");

    let (exchanges, said) = evil.stop();
    let altered: Vec<_> = exchanges.iter().filter(|exchange| exchange["altered"] == true).collect();
    assert_eq!(altered.len(), 2, "{exchanges:?}");
    assert_eq!((&altered[1]["path"], &altered[1]["status"]), (&json!("/v1/keysets"), &json!(200)));
    assert!(said.contains("keeps a record back from whoever joins, once: told 1 times"), "{said}");
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let text = |output: &Output| String::from_utf8(output.stderr.clone()).expect("text");
    let tls = run(&["--upstream", "https://example.org"]);
    assert!(!tls.status.success() && text(&tls).contains("speaks no TLS"), "{}", text(&tls));
    let missing = run(&["--upstream", "http://127.0.0.1:1", "--script", "/nowhere.toml"]);
    assert!(text(&missing).contains("/nowhere.toml cannot be read"), "{}", text(&missing));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lies.toml");
    fs::write(&file, "[[lie]]\nname = 'one'\non = 'GET /v1/states'\ndo = [{ drop = 'record 0' }]")
        .expect("a file");
    let wrong = run(&["--upstream", "http://127.0.0.1:1", "--script", file.to_str().expect("text")]);
    assert!(text(&wrong).contains("names no frame"), "{}", text(&wrong));
    let listed = String::from_utf8(run(&["--catalogue"]).stdout).expect("text");
    assert!(listed.contains("old_head"), "{listed}");
}
