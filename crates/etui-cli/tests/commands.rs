//! The program itself, without an account: exit codes, forms of failure, what works locked and offline.

use std::process::{Command, Output};

use tempfile::TempDir;

fn etui(home: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etui"));
    command.args(arguments).env_clear().env("ETUI_HOME", home.path()).output().expect("it runs")
}

fn exit_code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("it is JSON")
}

/// A folder that holds a device, as far as can be seen without its keys.
fn set_up() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let id = "ab".repeat(16);
    let device = serde_json::json!({
        "server": "http://localhost:1", "account_id": id, "device_id": id, "store_key": "keyring"
    });
    std::fs::write(home.path().join("device.json"), device.to_string()).unwrap();
    home
}

#[test]
fn a_folder_without_an_account_is_not_called_locked() {
    let home = tempfile::tempdir().unwrap();
    let verbs = [
        &["list"][..],
        &["get", "GitHub"],
        &["add", "login", "--title", "x"],
        &["edit", "x", "--set", "title=y"],
        &["sync"],
        &["devices"],
        &["export", "--to", "backup.etui"],
        &["recovery", "create"],
        &["logout"],
        &["unlock"],
    ];
    for arguments in verbs {
        let output = etui(&home, arguments);
        assert_eq!(exit_code(&output), 1, "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let folder = home.path().display();
        assert_eq!(
            said,
            format!(
                "etui: no account is set up in {folder}\n  run `etui signup` or `etui login`, or set ETUI_HOME\n"
            ),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_locked_device_exits_with_3_and_says_what_to_do() {
    let home = set_up();
    for arguments in [
        &["list"][..],
        &["get", "GitHub", "--field", "password"],
        &["search", "x"],
        &["sync"],
        &["rm", "x"],
        &["devices"],
        &["totp", "x"],
        &["heal"],
        &["export", "--to", "backup.etui"],
        &["refused", "list"],
        &["logout"],
    ] {
        let output = etui(&home, arguments);
        assert_eq!(exit_code(&output), 3, "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "etui: this device is locked\n  run `etui unlock`\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn failures_are_json_on_standard_error_where_json_was_asked_for() {
    let home = set_up();
    let output = etui(&home, &["list", "--json"]);
    assert!(output.stdout.is_empty());
    assert_eq!(
        json(&output.stderr),
        serde_json::json!({"error": {
            "code": "locked", "refusal": null, "message": "this device is locked", "hint": "run `etui unlock`"
        }})
    );
    let output = etui(&home, &["--json", "get"]);
    assert_eq!((exit_code(&output), json(&output.stderr)["error"]["code"].as_str()), (2, Some("usage")));
}

#[test]
fn wrong_usage_exits_with_2() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["frobnicate"][..],
        &["get"],
        &["add", "spaceship", "--title", "x"],
        &["generate", "--length", "4"],
        &["edit", "x", "--set", "username"],
        &["unlock", "--idle-minutes", "0"],
        &["sync", "--follow-server", ""],
        &["add", "login", "--title", " "],
        &["add", "login", "--title", "Bank\nSons"],
        &["devices", "rename", "5c01", ""],
        &["devices", "rename", "5c01", &"a".repeat(101)],
        &["login", "--device-name", &"a".repeat(101)],
        &[
            "signup",
            "--server",
            "http://localhost:1",
            "--email",
            "a@b.c",
            "--login-password-file",
            "/nowhere",
        ],
    ] {
        assert_eq!(exit_code(&etui(&home, arguments)), 2, "{arguments:?}");
    }
}

#[test]
fn passwords_that_must_not_be_chosen_are_refused_before_anything_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let good = file("good", "correct horse battery staple\n");
    for (login, master, code, refusal) in [
        (file("short", "123456789\n"), good.clone(), 2, None),
        (file("login", "a login password\n"), file("weak", "password1234\n"), 2, None),
        (file("alike", "my correct horse battery staple\n"), good, 5, Some("password_reuse")),
    ] {
        let output = etui(
            &home,
            &[
                "signup",
                "--json",
                "--server",
                "http://localhost:1",
                "--email",
                "ada@example.org",
                "--login-password-file",
                &login,
                "--master-password-file",
                &master,
            ],
        );
        let error = &json(&output.stderr)["error"];
        assert_eq!((exit_code(&output), error["refusal"].as_str()), (code, refusal), "{error}");
    }
}

#[test]
fn who_and_where_are_checked_before_anything_is_asked() {
    let home = tempfile::tempdir().unwrap();
    for verb in [&["signup"][..], &["login"], &["recovery", "use"]] {
        let refused = |server: &str, email: &str| {
            let account =
                ["--json", "--server", server, "--email", email, "--login-password-file", "/nowhere"];
            let output =
                etui(&home, &[verb, &account, &["--kit-file", "/nowhere"][..2 * (verb.len() - 1)]].concat());
            assert_eq!(exit_code(&output), 2, "{verb:?} {server} {email}");
            json(&output.stderr)["error"]["message"].as_str().unwrap().to_owned()
        };
        for server in ["etui.example.org", "localhost:8484", "https://etui.example.org/etui"] {
            let said = refused(server, "ada@example.org");
            assert_eq!(said, format!("“{server}” is not the address of a server"));
        }
        let said = refused("http://etui.example.org", "ada@example.org");
        assert!(said.contains("login password") && said.contains("in clear"), "{said}");
        assert_eq!(refused("https://etui.example.org", "ada"), "“ada” is not an e-mail address");
        // What is right goes on to the passwords.
        for server in
            ["https://etui.example.org", "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"]
        {
            let said = refused(server, " Ada@example.org ");
            assert!(said.contains("/nowhere"), "{server}: {said}");
        }
    }
    let insecure = ["--server", "http://etui.example.org", "--insecure-http", "--email", "a@b.c"];
    let output = etui(&home, &[&["login"], &insecure[..], &["--login-password-file", "/nowhere"]].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere"));
}

#[test]
fn a_server_that_does_not_answer_may_have_another_address() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (login, master) =
        (file("login", "a login password\n"), file("master", "correct horse battery staple\n"));
    // Bound and not listening: nobody else gets the port, and nobody answers.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let account = ["--server", &address, "--email", "ada@example.org", "--json"];
    let passwords = ["--login-password-file", &login, "--master-password-file", &master];
    for verb in ["signup", "login"] {
        let output = etui(&home, &[&[verb][..], &account, &passwords].concat());
        let error = &json(&output.stderr)["error"];
        assert_eq!(exit_code(&output), 6, "{error}");
        let (message, hint) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
        assert!(!message.contains("stay on this device") && hint.starts_with("check --server"), "{error}");
    }
}

#[test]
fn generating_needs_no_account() {
    let home = tempfile::tempdir().unwrap();
    let generate = |arguments: &[&str]| {
        let output = etui(&home, &[&["generate"], arguments].concat());
        assert_eq!(exit_code(&output), 0);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(generate(&[]).trim_end().len(), 20);
    assert_eq!(generate(&["--words", "5"]).split('-').count(), 5);
    assert!(generate(&["--pin"]).trim_end().bytes().all(|digit| digit.is_ascii_digit()));
    let made = json(generate(&["--words", "6", "--json"]).as_bytes());
    assert!(made["entropy_bits"].as_f64().unwrap() > 77.0 && made["value"].is_string());
    assert_ne!(generate(&[]), generate(&[]));
}

#[test]
fn a_folder_without_an_account_says_so() {
    let home = tempfile::tempdir().unwrap();
    let status = etui(&home, &["status", "--json"]);
    assert_eq!((exit_code(&status), &json(&status.stdout)["unlocked"]), (0, &serde_json::json!(false)));
    assert_eq!(exit_code(&etui(&home, &["lock"])), 0);
}

#[test]
fn completions_are_scripts() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = etui(&home, &["completions", shell]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("change-master-password") && !script.contains("CARGO"), "{shell}");
        let of_agent = ["completions agent", "__agent", "Hold the keys"];
        assert!(!of_agent.iter().any(|words| script.contains(words)), "{shell}: `agent` is not for people");
    }
}

/// Asked of the kernel: the limit on core dumps, and who owns the process' files, which is root for one that neither
/// dumps nor lets others of the same user look into it.
#[cfg(target_os = "linux")]
mod memory {
    use std::{
        io::{BufRead as _, BufReader},
        os::unix::{fs::MetadataExt as _, process::CommandExt as _},
        process::{Child, Command, Stdio},
    };

    use tempfile::TempDir;

    const NOBODY: u32 = 65_534;

    #[test]
    fn the_agent_leaves_no_core_dump_and_lets_nobody_look_in() {
        let home = home_of_user();
        let mut agent = start(&home, &["agent"]);
        let mut line = String::new();
        BufReader::new(agent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        assert_is_closed(&mut agent);
    }

    #[test]
    fn a_command_that_reads_passwords_leaves_none_either() {
        let home = home_of_user();
        let account = ["--server", "http://localhost:1", "--email", "ada@example.org"];
        let mut command =
            start(&home, &[&["signup"], &account[..], &["--login-password-file", "-"]].concat());
        // What it says before it reads.
        let mut line = String::new();
        BufReader::new(command.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("Whoever loses both"), "{line}");
        assert_is_closed(&mut command);
    }

    /// Root may look into everything: where the tests are root's, the program is not.
    fn start(home: &TempDir, arguments: &[&str]) -> Child {
        let mut command = Command::new(program(home));
        command.args(arguments).env_clear().env("ETUI_HOME", home.path().join("etui"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if is_root(home) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().expect("it runs")
    }

    fn assert_is_closed(process: &mut Child) {
        let files = format!("/proc/{}", process.id());
        let limits = std::fs::read_to_string(format!("{files}/limits")).unwrap();
        let owner = std::fs::metadata(format!("{files}/mem")).unwrap().uid();
        process.kill().unwrap();
        process.wait().unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
        assert_eq!(owner, 0, "others of the same user may not read its memory");
    }

    fn home_of_user() -> TempDir {
        let home = tempfile::tempdir().unwrap();
        if is_root(&home) {
            std::os::unix::fs::chown(home.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        home
    }

    /// The program, where another user can run it too.
    fn program(home: &TempDir) -> std::path::PathBuf {
        let program = home.path().join("program");
        std::fs::copy(env!("CARGO_BIN_EXE_etui"), &program).unwrap();
        program
    }

    fn is_root(home: &TempDir) -> bool {
        std::fs::metadata(home.path()).unwrap().uid() == 0
            || std::fs::metadata("/proc/self").unwrap().uid() == 0
    }
}
