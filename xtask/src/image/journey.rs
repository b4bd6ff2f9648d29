//! What people and whoever runs it must be able to do with the stack, done with the real `etui` over TLS.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::{alone::check_rights, build::IMAGE, containers::engine, stack::Stack};
use crate::process::{output, say, target_folder};

const EMAIL: &str = "ada@example.org";
/// Enough that their records do not stay in rows but go to the bucket.
const IMPORTED: usize = 200;

/// All of it, one after the other.
pub(super) fn run(stack: &Stack) -> anyhow::Result<()> {
    for node in ["node-1", "node-2"] {
        check_rights(&Stack::container(node), "/tmp/etui")?;
    }
    check_secrets(stack)?;
    let people = People::new(stack)?;
    people.check_authority()?;
    let saved = two_devices(&people)?;
    one_node_alone(&people, &saved)?;
    verify()?;
    back_up(stack)?;
    all_healthy()
}

/// A second device reads through the load balancer what a first one has saved.
fn two_devices(people: &People) -> anyhow::Result<String> {
    people.sign_up("first")?;
    people.etui("first", &["add", "login", "--title", "Bank", "--username", "ada", "--generate", "24"])?;
    people.import("first")?;
    people.etui("first", &["sync"])?;
    let saved = people.password("first")?;
    ensure!(saved.trim().len() == 24, "the password that was made is not there");
    people.join("login", "second")?;
    people.etui("second", &["sync"])?;
    ensure!(people.password("second")? == saved, "the second device has another password");
    people.etui("second", &["get", &title(IMPORTED)]).context("the second device has not everything")?;
    say("Over TLS: signed up, added, synced; a second device reads it")?;
    Ok(saved)
}

/// Either node does without the other, for devices that signed in by whichever.
fn one_node_alone(people: &People, saved: &str) -> anyhow::Result<()> {
    for (away, by, reader) in [("node-1", "second", "first"), ("node-2", "first", "second")] {
        Stack::wait_for_nodes(2)?;
        let node = Stack::container(away);
        node.stop()?;
        let name = format!("ada without {away}");
        people.etui(by, &["edit", "Bank", "--set", &format!("username={name}")])?;
        people.etui(by, &["sync"])?;
        people.etui(reader, &["sync"])?;
        let read = people.etui(reader, &["get", "Bank", "--field", "username"])?;
        ensure!(read.trim() == name, "without {away} a device reads {read}");
        ensure!(people.password(reader)? == saved, "without {away} the password is another one");
        node.start()?;
        node.wait_until_healthy()?;
        say(&format!("Without {away} everything works, and it came back"))?;
    }
    Ok(())
}

fn verify() -> anyhow::Result<()> {
    let said = Stack::container("node-1").execute(&["etui-server", "verify"])?;
    say(&format!("verify in a container: {}", said.trim()))
}

/// As the guide says, while both nodes serve; and it must be one.
fn back_up(stack: &Stack) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("etui");
    let mut make = Command::new("install");
    make.args(["--directory", "--owner=8484", "--group=8484", "--mode=0700"]);
    output(make.arg(&place))?;
    let said =
        stack.run_once(&format!("{}:/backup", place.display()), "node-1", &["backup", "--to", "/backup"])?;
    ensure!(said.contains("Copied: rows"), "the backup says nothing of what it copied: {said}");
    ensure!(!said.contains("segments 0 "), "nothing was in the bucket: {said}");
    let mut verify = engine("podman");
    verify.args(["run", "--rm", "--volume", &format!("{}:/data", place.display()), IMAGE, "verify"]);
    let verified = output(&mut verify).context("verifying the backup")?;
    say(&format!("Backup: {}\n{}", said.trim(), verified.trim()))
}

fn all_healthy() -> anyhow::Result<()> {
    for (service, container) in
        Stack::containers().filter(|(service, _)| !["bucket", "migrate"].contains(service))
    {
        container.wait_until_healthy().with_context(|| format!("{service} was healthy before"))?;
    }
    say("All health checks succeed")
}

/// In files alone: not in what an engine shows of a container, its environment and command among it.
fn check_secrets(stack: &Stack) -> anyhow::Result<()> {
    let secrets = stack.secrets()?;
    for (service, container) in Stack::containers() {
        let shown = container.description()? + &container.log()?;
        ensure!(shown.contains("/run/secrets"), "{service} has no secrets: this check sees nothing");
        ensure!(!secrets.iter().any(|secret| shown.contains(secret)), "a secret of {service} is shown");
    }
    say("No secret stands in an environment, a command or a log")
}

/// One person's devices, each a folder.
struct People {
    folder: TempDir,
    url: String,
    authority: PathBuf,
    program: PathBuf,
}

impl People {
    fn new(stack: &Stack) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("login"), "not the same as the other")?;
        fs::write(folder.path().join("master"), "seven lamps by an old green door")?;
        let program = target_folder()?.join("release/etui");
        Ok(Self { folder, url: stack.url(), authority: stack.authority(), program })
    }

    /// Without being told so, a device must not trust an authority that was made a minute ago.
    fn check_authority(&self) -> anyhow::Result<()> {
        let mut stranger = self.command("stranger", &self.account("login"));
        let refused = stranger.env_remove("SSL_CERT_FILE").output().context("starting etui")?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success(), "a device trusts a certificate of nobody's");
        ensure!(said.contains("invalid peer certificate"), "it is refused for another reason: {said}");
        ensure!(said.contains("SSL_CERT_FILE"), "nobody says what to do about it: {said}");
        Ok(())
    }

    /// By invitation, which whoever runs the server makes in one of its containers: nobody is let in without.
    fn sign_up(&self, device: &str) -> anyhow::Result<()> {
        let uninvited =
            self.command("stranger", &self.account("signup")).output().context("starting etui")?;
        let said = String::from_utf8_lossy(&uninvited.stderr).into_owned();
        ensure!(
            said.contains("by invitation"),
            "whoever comes without an invitation is told something else: {said}"
        );
        let invitation =
            Stack::container("node-1").execute(&["etui-server", "admin", "invite", "--administrator"])?;
        let file = self.folder.path().join("invitation");
        fs::write(&file, invitation)?;
        let given = ["--invitation-file".to_owned(), file.display().to_string()];
        output(&mut self.command(device, &[self.account("signup").as_slice(), &given].concat()))?;
        say("An invitation lets somebody in, and nobody comes without")
    }

    fn join(&self, verb: &str, device: &str) -> anyhow::Result<()> {
        output(&mut self.command(device, &self.account(verb))).map(drop)
    }

    fn account(&self, verb: &str) -> Vec<String> {
        let file = |name| self.folder.path().join(name).display().to_string();
        let words = [verb, "--no-keyring", "--server", &self.url, "--email", EMAIL].map(str::to_owned);
        let files = [
            "--login-password-file".to_owned(),
            file("login"),
            "--master-password-file".to_owned(),
            file("master"),
        ];
        [words.as_slice(), &files].concat()
    }

    fn import(&self, device: &str) -> anyhow::Result<()> {
        let line = |number| format!("{{\"title\":\"{}\",\"password\":\"{number}\"}}\n", title(number));
        let file = self.folder.path().join("entries.jsonl");
        fs::write(&file, (1..=IMPORTED).map(line).collect::<String>())?;
        self.etui(device, &["import", "--format", "jsonl", &file.display().to_string()]).map(drop)
    }

    fn password(&self, device: &str) -> anyhow::Result<String> {
        self.etui(device, &["get", "Bank", "--field", "password"])
    }

    fn etui(&self, device: &str, words: &[&str]) -> anyhow::Result<String> {
        output(&mut self.command(device, words))
    }

    fn command(&self, device: &str, words: &[impl AsRef<std::ffi::OsStr>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).env("ETUI_HOME", self.folder.path().join(device));
        command.env("SSL_CERT_FILE", &self.authority);
        command
    }
}

impl Drop for People {
    fn drop(&mut self) {
        for device in ["first", "second"] {
            let _ = output(&mut self.command(device, &["lock"]));
        }
    }
}

fn title(number: usize) -> String {
    format!("Imported {number}")
}
