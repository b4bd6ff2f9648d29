//! `deploy/compose.yaml` as it stands, brought up by podman-compose in a copy of its folder.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use etui_services::{
    ceph::{ACCESS_KEY, Ceph, SECRET_KEY},
    python::PythonTool,
};
use tempfile::TempDir;

use super::containers::{Container, engine, with_settings};
use crate::process::{output, repository, run as run_command, say};

const COMPOSE: PythonTool = PythonTool { name: "podman-compose", version: "1.6.0" };
/// So that it is not taken for a stack that somebody runs on this machine.
const PROJECT: &str = "etui-image-test";
const HOST: &str = "localhost";
/// As compose.yaml calls them.
const NETWORKS: [&str; 3] = ["outside", "nodes", "data"];

/// Services in the order of their dependencies, as compose.yaml says them. podman-compose waits for health only where
/// podman can, which this one may not: each is waited for here.
const ORDER: [(&str, Kind); 7] = [
    ("postgres", Kind::Serves),
    ("minio", Kind::Serves),
    ("bucket", Kind::Ends),
    ("migrate", Kind::Ends),
    ("node-1", Kind::Serves),
    ("node-2", Kind::Serves),
    ("load-balancer", Kind::Serves),
];

#[derive(Clone, Copy)]
enum Kind {
    Serves,
    Ends,
}

/// The running stack; gone with its volumes when dropped.
pub(super) struct Stack {
    folder: TempDir,
    port: u16,
    s3_port: u16,
}

impl Stack {
    /// Does what the guide says, but for the key of the S3 server, which is that of the tests.
    pub(super) fn start(ceph: &Ceph) -> anyhow::Result<Self> {
        say("Starting the stack of deploy/compose.yaml")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let stack = Self { folder: tempfile::tempdir()?, port, s3_port: ceph.port() };
        stack.copy_files()?;
        run_command(Command::new(stack.file("secrets.sh")).arg(HOST))?;
        fs::write(stack.file("secrets/s3-credentials"), format!("{ACCESS_KEY}\n{SECRET_KEY}\n"))?;
        stack.remove()?;
        for (service, kind) in ORDER {
            stack.bring_up(service, kind).with_context(|| format!("bringing up {service}"))?;
        }
        Ok(stack)
    }

    /// The address that people use.
    pub(super) fn url(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }

    /// The authority that vouches for its certificate.
    pub(super) fn authority(&self) -> PathBuf {
        self.file("secrets/ca.crt")
    }

    pub(super) fn container(service: &str) -> Container {
        Container(format!("{PROJECT}_{service}_1"))
    }

    /// Waits until the load balancer knows so many nodes that are ready.
    pub(super) fn wait_for_nodes(number: usize) -> anyhow::Result<()> {
        const ASK: &str =
            r"exec 3<>/dev/tcp/127.0.0.1/8405; printf 'GET /nodes HTTP/1.0\r\n\r\n' >&3; tail -n 1 <&3";
        let balancer = Self::container("load-balancer");
        balancer.wait_until("does not see the nodes", || {
            Ok(balancer.execute(&["bash", "-c", ASK])?.trim() == number.to_string())
        })
    }

    /// All of its containers, whether they still run or not.
    pub(super) fn containers() -> impl Iterator<Item = (&'static str, Container)> {
        ORDER.into_iter().map(|(service, _)| (service, Self::container(service)))
    }

    /// The secrets that nothing but a file may hold.
    pub(super) fn secrets(&self) -> anyhow::Result<Vec<String>> {
        let lines =
            ["postgres-password", "database-url", "minio-root-password", "s3-credentials"].map(|name| {
                let text = fs::read_to_string(self.file("secrets").join(name))?;
                Ok(text.lines().last().unwrap_or_default().to_owned())
            });
        lines.into_iter().collect()
    }

    /// A further container of a service, with a folder of this machine in it, for one command.
    pub(super) fn run_once(&self, volume: &str, service: &str, words: &[&str]) -> anyhow::Result<String> {
        let mut run = self.compose()?;
        run.args(["run", "--rm", "--no-deps", "--volume", volume, service]);
        output(run.args(words))
    }

    /// What each container said last.
    pub(super) fn show_logs() -> anyhow::Result<()> {
        Self::containers().try_for_each(|(service, container)| {
            say(&format!("--- {service}\n{}", container.log().unwrap_or_default()))
        })
    }

    fn bring_up(&self, service: &str, kind: Kind) -> anyhow::Result<()> {
        output(self.compose()?.args(["up", "--detach", "--no-build", "--no-deps", service]))?;
        hold_bridges()?;
        let container = Self::container(service);
        match kind {
            Kind::Serves => container.wait_until_healthy(),
            Kind::Ends => container.wait_until_done(),
        }
    }

    fn copy_files(&self) -> anyhow::Result<()> {
        let deploy = repository().join("deploy");
        for name in ["compose.yaml", "haproxy.cfg", "secrets.sh"] {
            copy(&deploy.join(name), &self.file(name))?;
        }
        copy(&repository().join("xtask/image/compose.test.yaml"), &self.file("compose.test.yaml"))?;
        let example = fs::read_to_string(deploy.join("env.example"))?;
        fs::write(self.file(".env"), example + &self.settings())?;
        Ok(())
    }

    /// What is put after the example's lines, in whose place it comes.
    fn settings(&self) -> String {
        format!(
            "ETUI_PUBLIC_URL={}\nETUI_PORT=127.0.0.1:{}\nETUI_TEST_S3_PORT={}\n",
            self.url(),
            self.port,
            self.s3_port
        )
    }

    fn compose(&self) -> anyhow::Result<Command> {
        let mut compose = with_settings(COMPOSE.command()?);
        compose.args(["--project-name", PROJECT, "--file"]).arg(self.file("compose.yaml"));
        compose.arg("--file").arg(self.file("compose.test.yaml"));
        Ok(compose)
    }

    fn remove(&self) -> anyhow::Result<()> {
        output(self.compose()?.args(["down", "--volumes", "--timeout", "5"])).map(drop)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            let _ = say(&format!("Containers of {PROJECT} may be left: {error:#}"));
        }
    }
}

/// A bridge that podman makes takes the hardware address of one of its containers, and another when that one goes: then
/// the rest of them cannot reach this machine, which is their name server, until they ask for its address anew. One that
/// was set stays, even if it is the same.
fn hold_bridges() -> anyhow::Result<()> {
    for network in NETWORKS {
        let name = format!("{PROJECT}_{network}");
        let mut ask = engine("podman");
        ask.args(["network", "inspect", "--format", "{{.NetworkInterface}}", &name]);
        // A network is made for the first service that needs it, its bridge for the first container.
        let Ok(bridge) = output(&mut ask) else { continue };
        let bridge = bridge.trim();
        let address = Path::new("/sys/class/net").join(bridge).join("address");
        if let Ok(address) = fs::read_to_string(address) {
            output(Command::new("ip").args(["link", "set", "dev", bridge, "address", address.trim()]))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {}", from.display())).map(drop)
}
