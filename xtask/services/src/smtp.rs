//! A mail server: aiosmtpd, with recipients that it refuses, puts off or keeps waiting, and what arrived.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use crate::{free_ports, process::output, python::PythonTool, system_packages};

const AIOSMTPD: PythonTool = PythonTool { name: "aiosmtpd", version: "1.4.6" };
const PROGRAM: &str = include_str!("smtp.py");
/// How long something has to happen; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// Somebody else may have taken the port that was free a moment ago.
const TRIES: usize = 3;

/// A mail server on this machine; ended when dropped.
pub struct Smtp {
    folder: TempDir,
    mail_port: u16,
    api_port: u16,
    protected: bool,
    process: Option<Child>,
}

/// A letter that arrived.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    /// Who wrote, by the envelope.
    pub from: String,
    /// Who was written to, by the envelope.
    pub to: Vec<String>,
    /// What it is about.
    pub subject: String,
    /// Its `Message-ID`.
    pub message_id: String,
    /// What it says as plain text.
    pub text: String,
    /// What it says as HTML.
    pub html: String,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// Whether somebody had signed in who handed it in.
    pub signed_in: bool,
    /// All of it, as it travelled.
    pub raw: String,
}

/// Installs it if it is not there yet.
///
/// # Errors
/// It cannot be installed.
pub fn install() -> anyhow::Result<()> {
    AIOSMTPD.command().map(drop)
}

impl Smtp {
    /// In clear, and taking letters from everybody: `refused@…` is refused for good, `deferred@…` put off until
    /// [`Self::let_in`], and `held@…` taken and answered only after [`Self::let_go`].
    ///
    /// # Errors
    /// It cannot be installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_on_some_port(false)
    }

    /// With STARTTLS, for whoever signs in as `etui` with the password `hands in`. The certificate is for `localhost`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_protected() -> anyhow::Result<Self> {
        system_packages::ensure_for_openssl()?;
        Self::start_on_some_port(true)
    }

    fn start_on_some_port(protected: bool) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let folder = tempfile::Builder::new().prefix("etui-smtp-").tempdir()?;
            let [mail_port, api_port] = free_ports()?;
            let mut smtp = Self { folder, mail_port, api_port, protected, process: None };
            match smtp.prepare().and_then(|()| smtp.start_again()) {
                Ok(()) => return Ok(smtp),
                Err(error) => last = Some(error),
            }
        }
        last.map_or_else(|| bail!("the mail server was never tried"), Err)
    }

    fn prepare(&self) -> anyhow::Result<()> {
        fs::write(self.folder.path().join("smtp.py"), PROGRAM)?;
        if !self.protected {
            return Ok(());
        }
        let mut openssl = Command::new("openssl");
        openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '));
        openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(self.key()).arg("-out").arg(self.certificate());
        output(&mut openssl).map(drop)
    }

    /// Starts it after [`Self::stop`], at the same place and with nothing in it.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let log = File::create(self.folder.path().join("log"))?;
        let mut command = AIOSMTPD.program("python")?;
        command.arg(self.folder.path().join("smtp.py"));
        command.arg(self.mail_port.to_string()).arg(self.api_port.to_string());
        if self.protected {
            command.arg(self.certificate()).arg(self.key());
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut process = command.spawn().context("starting the mail server")?;
        let started = Instant::now();
        while self.received().is_err() {
            if process.try_wait()?.is_some() || started.elapsed() > PATIENCE {
                let _ = process.kill();
                let _ = process.wait();
                bail!("the mail server does not listen: {}", self.log());
            }
            thread::sleep(BETWEEN_TRIES);
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Where it takes letters.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.mail_port).into()
    }

    /// Where everything that arrived can be read as JSON, for other programs.
    pub fn messages_url(&self) -> String {
        format!("http://127.0.0.1:{}/messages", self.api_port)
    }

    /// The certificate of a protected one, as PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Everything that arrived, oldest first.
    ///
    /// # Errors
    /// It does not answer.
    pub fn received(&self) -> anyhow::Result<Vec<Received>> {
        let body = self.ask("GET", "/messages")?;
        serde_json::from_str(&body).context("reading what arrived")
    }

    /// Returns once so many letters have arrived, with all of them.
    ///
    /// # Errors
    /// That takes too long.
    pub fn wait_for(&self, count: usize) -> anyhow::Result<Vec<Received>> {
        let started = Instant::now();
        loop {
            let received = self.received()?;
            if received.len() >= count {
                return Ok(received);
            }
            ensure!(started.elapsed() < PATIENCE, "of {count} letters {} arrived", received.len());
            thread::sleep(BETWEEN_TRIES);
        }
    }

    /// Takes letters to `deferred@…` from now on.
    ///
    /// # Errors
    /// It does not answer.
    pub fn let_in(&self) -> anyhow::Result<()> {
        self.ask("POST", "/let-in").map(drop)
    }

    /// Answers whoever waits because of `held@…`.
    ///
    /// # Errors
    /// It does not answer.
    pub fn let_go(&self) -> anyhow::Result<()> {
        self.ask("POST", "/let-go").map(drop)
    }

    fn ask(&self, method: &str, path: &str) -> anyhow::Result<String> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.api_port))?;
        write!(connection, "{method} {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the mail server answers with a head")?;
        ensure!(head.contains(" 20"), "the mail server answers {head}");
        Ok(body.to_owned())
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.stop();
    }
}
