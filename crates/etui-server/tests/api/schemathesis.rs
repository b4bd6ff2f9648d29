//! Schemathesis on a running server: whatever it makes up from the API's own description, no answer is a failure of the server
//! or another than described, and bad input is always a problem document.

use std::{env, fs, path::Path, process::Command};

use etui_api::session::Token;

use crate::support::{Person, TestServer};

/// Says where the program is.
const PROGRAM: &str = "ETUI_TEST_SCHEMATHESIS";
/// Further arguments, each in a line.
const ARGUMENTS: &str = "ETUI_TEST_SCHEMATHESIS_ARGUMENTS";
/// A stream that does not end.
const ENDLESS: &str = "^follow$";
/// After these a session is good for nothing more.
const ENDING: &str = "^(sign_out|delete_account)$";
const ADMINISTRATION: &str = "^/v1/admin/";

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_is_answered_as_described() {
    let server = TestServer::start().await;
    // Whoever comes first administers the server.
    let administrator = server.sign_up(&Person::new(1)).await;
    let holder = server.sign_up(&Person::new(2)).await.access_token;
    let scope = server.administer(&administrator).await;
    run(&server, &scope, &["--include-path-regex", ADMINISTRATION]).await;
    let others = ["--exclude-path-regex", ADMINISTRATION, "--exclude-operation-id-regex"];
    run(&server, &holder, &[&others[..], &[&format!("{ENDLESS}|{ENDING}")]].concat()).await;
    let ended = server.sign_up(&Person::new(3)).await.access_token;
    run(&server, &ended, &["--include-operation-id-regex", ENDING]).await;
    server.stop().await;
}

async fn run(server: &TestServer, token: &Token, operations: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut command =
        Command::new(env::var(PROGRAM).expect("`cargo xtask schemathesis` says where the program is"));
    command.env_clear().current_dir(folder.path()).arg("--config-file").arg(settings(folder.path(), token));
    command.arg("run").arg(server.url("/openapi.json")).args(operations).args(["--seed", "1"]);
    command.args(env::var(ARGUMENTS).unwrap_or_default().lines());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{operations:?}:\n{said}");
}

/// In a file, with the token: what stands in arguments, every process of the machine can read.
fn settings(folder: &Path, token: &Token) -> std::path::PathBuf {
    fs::write(folder.join("hooks.py"), include_str!("schemathesis/hooks.py")).unwrap();
    let file = folder.join("schemathesis.toml");
    let settings = include_str!("schemathesis/schemathesis.toml");
    let headers = format!("[headers]\nAuthorization = \"Bearer {}\"\n", token.expose());
    fs::write(&file, format!("{settings}\n{headers}")).unwrap();
    file
}
