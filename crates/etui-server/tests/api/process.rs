//! The program itself: what it says, how it stops, what it never logs.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use etui_api::{
    ErrorCode,
    session::{Session, SignIn, Token},
};
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;

use crate::support::{Person, body, client, frames_body, send};

/// A running program.
pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
    said: String,
}

impl Program {
    fn start(data: &Path) -> Self {
        Self::of(&mut command(data, "127.0.0.1:0"))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        Self::saying(command, "etui signup")
    }

    /// One that is there when it has said something.
    fn saying(command: &mut Command, last: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = String::new();
        while !said.contains(last) {
            said.push_str(&lines.next().expect("the server says where it listens and what to do next"));
            said.push('\n');
        }
        let url = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Self { child, url, said }
    }

    pub(crate) fn ask_to_stop(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for the end and gives what was logged.
    pub(crate) fn log(mut self) -> String {
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

#[tokio::test]
async fn secrets_and_names_never_reach_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let client = client();
    let person = Person::new(0x5e);
    let url = |path: &str| format!("{}{path}", program.url);
    let sign_up = frames_body(client.request(Method::POST, url("/v1/accounts")), &person.sign_up_frames());
    let session: Session = send(sign_up).await.json();
    let sign_in = serde_json::to_value(person.sign_in()).unwrap();
    let again: Session = send(client.post(url("/v1/sessions")).json(&sign_in)).await.json();
    let wrong = SignIn { email: "canary-nobody@example.org".to_owned(), ..person.sign_in() };
    send(client.post(url("/v1/sessions")).json(&wrong)).await;
    send(client.post(url("/v1/sessions")).json(&serde_json::json!({ "email": "canary-broken" }))).await;
    for path in ["/v1/devices", "/canary-path?canary-query", "/v1/vaults/canary-id/changes?after=1"] {
        let request = client.get(url(path)).header("user-agent", "canary-agent");
        send(request.bearer_auth(again.access_token.expose())).await;
    }
    let vault = format!("/v1/vaults/{}/changes", person.vault_id);
    send(client.get(url(&vault)).bearer_auth(again.access_token.expose())).await;
    drop(client);
    program.ask_to_stop();
    let log = program.log();

    assert!(log.lines().count() >= 8, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(line.is_object());
    }
    let proof = sign_in["login_proof"].as_str().unwrap();
    let ids = [person.account_id.to_string(), person.device_id.to_string(), person.vault_id.to_string()];
    let tokens = [&session, &again].map(|session| {
        [
            session.access_token.expose().to_owned(),
            session.refresh_token.as_ref().unwrap().expose().to_owned(),
        ]
    });
    for never in [person.email.as_str(), "example.org", "canary", "127.0.0.1", proof]
        .into_iter()
        .chain(ids.iter().map(String::as_str))
        .chain(tokens.iter().flatten().map(String::as_str))
    {
        assert!(!log.contains(never), "{never} is in the log:\n{log}");
    }
    let pull =
        log.lines().find(|line| line.contains(r#""route":"/v1/vaults/{vault_id}/changes","status":200"#));
    let pull: serde_json::Value = serde_json::from_str(pull.expect("the pull is logged")).unwrap();
    assert_eq!(pull["account"].as_str().expect("by whom, as a pseudonym").len(), 32);
    let accounts =
        log.lines().filter_map(|line| line.split_once(r#"{"account":""#)).map(|(_, rest)| &rest[..32]);
    assert!(
        accounts.clone().count() >= 2 && accounts.clone().all(|account| account == pull["account"]),
        "{log}"
    );
}

#[tokio::test]
async fn a_request_that_runs_is_finished_before_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let person = Person::new(1);
    let whole = body(&person.sign_up_frames());
    let (first, rest) = whole.split_at(100);
    let (go_on, wait) = oneshot::channel::<()>();
    let (first, rest) = (first.to_vec(), rest.to_vec());
    let (begun, has_begun) = oneshot::channel::<()>();
    let pieces = futures_util::stream::unfold((0, Some(begun), Some(wait)), move |(step, begun, wait)| {
        let (first, rest) = (first.clone(), rest.clone());
        async move {
            match step {
                0 => Some((Ok::<_, std::io::Error>(first), (1, begun, wait))),
                1 => {
                    begun.unwrap().send(()).unwrap();
                    wait.unwrap().await.unwrap();
                    Some((Ok(rest), (2, None, None)))
                }
                _ => None,
            }
        }
    });
    let request = client()
        .post(format!("{}/v1/accounts", program.url))
        .header("content-type", "application/cbor-seq")
        .body(reqwest::Body::wrap_stream(pieces));
    let running = tokio::spawn(send(request));
    has_begun.await.unwrap();
    // The server has the request once it answers another one on a later connection.
    assert_eq!(send(client().get(format!("{}/healthz", program.url))).await.status, 200);
    program.ask_to_stop();
    go_on.send(()).unwrap();
    assert_eq!(running.await.unwrap().status, 201);
    assert!(program.log().contains(r#""signal":"SIGTERM""#));
}

#[tokio::test]
async fn a_server_that_is_to_stop_says_so_first_and_serves_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::of(command(folder.path(), "127.0.0.1:0").args(["--drain-seconds", "3600"]));
    let get = async |path: &str| send(client().get(format!("{}{path}", program.url))).await;
    assert!(!get("/readyz").await.headers.contains_key("connection"));
    program.ask_to_stop();
    let unready = loop {
        let ready = get("/readyz").await;
        if ready.status != 200 {
            break ready;
        }
    };
    assert_eq!((unready.status, &unready.headers["connection"]), (503, &"close".parse().unwrap()));
    assert!(unready.headers.contains_key("retry-after"));
    let person = Person::new(2);
    let url = format!("{}/v1/accounts", program.url);
    let signed_up = send(frames_body(client().post(url), &person.sign_up_frames())).await;
    assert_eq!((signed_up.status, &signed_up.headers["connection"]), (201, &"close".parse().unwrap()));
    // Whoever asks twice does not want to wait.
    program.ask_to_stop();
    program.log();
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence_with_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let in_use = command(folder.path(), &address).output().unwrap();
    let sentence = String::from_utf8(in_use.stderr).unwrap();
    assert_eq!(in_use.status.code(), Some(1));
    assert_eq!(
        sentence,
        format!(
            "etui-server: {address} is in use: is another etui-server running? Stop it, or choose another with --listen\n"
        )
    );

    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let unusable = command(&file, "127.0.0.1:0").output().unwrap();
    let sentence = String::from_utf8(unusable.stderr).unwrap();
    assert_eq!(unusable.status.code(), Some(1));
    assert!(sentence.contains("choose another with --data"), "{sentence}");
    assert_eq!(sentence.lines().count(), 1);
}

#[test]
fn what_is_made_is_for_its_owner_alone_and_for_one_process() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("made before");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::start(&data);
    for name in ["etui.db", "etui.db-wal", "token.key", "etui.lock", "objects/store"] {
        let mode = data.join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    let second = command(&data, "127.0.0.1:0").output().unwrap();
    let sentence = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(sentence.contains("another etui-server uses"), "{sentence}");
    program.ask_to_stop();
    program.log();
}

#[test]
fn the_health_command_tells_a_ready_server_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path());
    let health = |url: &str| {
        Command::new(env!("CARGO_BIN_EXE_etui-server")).args(["health", "--url", url]).output().unwrap()
    };
    assert!(health(&program.url).status.success());
    assert!(program.said.contains(folder.path().to_str().unwrap()), "{}", program.said);
    let url = program.url.clone();
    program.ask_to_stop();
    program.log();
    let gone = health(&url);
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8(gone.stderr).unwrap().contains("nothing answers at"));
}

#[tokio::test]
async fn a_backup_of_a_running_server_verifies_and_is_restored_once() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup, restored] = ["data", "backup", "restored"].map(|name| folder.path().join(name));
    let program = Program::start(&data);
    let person = Person::new(0x6b);
    let url = format!("{}/v1/accounts", program.url);
    send(frames_body(client().request(Method::POST, url), &person.sign_up_frames())).await;

    let run = |arguments: &[&str], data: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
        let output = command.env_clear().args(arguments).arg("--data").arg(data).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (to, from) =
        (["backup", "--to", backup.to_str().unwrap()], ["restore", "--from", backup.to_str().unwrap()]);
    assert_eq!(run(&to, &data).0, Some(0));
    program.ask_to_stop();
    program.log();
    for folder in [&data, &backup] {
        let (code, said) = run(&["verify"], folder);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("Checked: accounts 1, states 1, commits 1, records 1."), "{said}");
    }
    assert_eq!(run(&from, &restored).0, Some(0));
    assert_eq!(run(&["verify"], &restored).0, Some(0));
    let (code, said) = run(&from, &restored);
    assert!(code == Some(1) && said.contains("there are accounts already"), "{said}");

    std::fs::write(restored.join("etui.db"), "this was a database").unwrap();
    assert_eq!(run(&["verify"], &restored).0, Some(1));
    let (code, said) = run(&["verify"], &folder.path().join("nowhere"));
    assert!(code == Some(1) && said.contains("choose another with --data"), "{said}");
    assert!(!folder.path().join("nowhere").exists());
}

#[tokio::test]
async fn the_first_start_prints_a_link_for_the_administrator_and_others_come_by_invitation() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let start =
        |last: &str| Program::saying(command(data, "127.0.0.1:0").args(["--sign-up", "invite"]), last);
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
        let options = ["--data", data.to_str().unwrap(), "--public-url", "https://etui.example.org"];
        let output = command.env_clear().arg("admin").args(arguments).args(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let secret = |said: &str| {
        let link = said.split_whitespace().find(|word| word.contains("/invitation#")).unwrap();
        Token::new(link.split_once('#').unwrap().1.to_owned())
    };
    let sign_up = async |program: &Program, number: u8, secret: &Token| {
        let frames =
            Person::new(number).sign_up_frames_with(|header| header.invitation = Some(secret.clone()));
        let url = format!("{}/v1/accounts", program.url);
        send(frames_body(client().request(Method::POST, url), &frames)).await
    };

    let first = start("keep it to yourself");
    let replaced = secret(&first.said);
    first.ask_to_stop();
    first.log();
    let program = start("keep it to yourself");
    let set_up = secret(&program.said);
    let page = send(client().get(format!("{}/invitation", program.url))).await;
    assert_eq!(page.status, 200);
    assert!(String::from_utf8(page.body).unwrap().contains("etui signup --server"));
    assert_eq!(sign_up(&program, 1, &replaced).await.code(), ErrorCode::InvitationRequired);
    assert_eq!(sign_up(&program, 1, &set_up).await.status, 201);
    assert_eq!(sign_up(&program, 2, &set_up).await.code(), ErrorCode::InvitationRequired);

    let (code, said) = admin(&["invite", "--email", "Person2@example.org"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("https://etui.example.org/invitation#"), "{said}");
    let (_, listed) = admin(&["invitations"]);
    assert!(listed.contains("for person2@example.org, as person, until "), "{listed}");
    assert_eq!(sign_up(&program, 2, &secret(&said)).await.status, 201);
    let withdrawn = secret(&admin(&["invite"]).1);
    let (_, listed) = admin(&["invitations"]);
    let number = listed.split_whitespace().next().unwrap();
    assert_eq!(admin(&["invitations", "--withdraw", number]).0, Some(0));
    assert_eq!(admin(&["invitations", "--withdraw", number]).0, Some(1), "there is none any more");
    assert_eq!(sign_up(&program, 3, &withdrawn).await.code(), ErrorCode::InvitationRequired);
    program.ask_to_stop();
    let log = program.log();
    for secret in [replaced, set_up, withdrawn] {
        assert!(!log.contains(secret.expose()), "a secret is in the log");
    }
    let again = start("etui-server admin invite");
    assert!(!again.said.contains('#'), "there is an account: {}", again.said);
    again.ask_to_stop();
    again.log();
}

pub(crate) fn command(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etui-server"));
    command.env_clear().arg("--data").arg(data).args(["--listen", listen]);
    command
}
