//! What can be set, and what holds without setting anything.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use tracing::level_filters::LevelFilter;

/// Where the server listens if nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8484);

const EXAMPLES: &str = "\
Examples:
  etui-server
      Listens on http://localhost:8484 and keeps everything in one folder.
  etui-server serve --data /srv/etui --listen 0.0.0.0:443 --tls-certificate chain.pem --tls-key key.pem
      Serves HTTPS itself.
  etui-server serve --public-url https://etui.example.org --trusted-proxy 10.0.0.0/8
      Behind a proxy that serves HTTPS.
  etui-server health --url http://127.0.0.1:8484
      Exits with 0 if the server is ready: for container health checks.";

/// The command line of `etui-server`.
#[derive(Debug, Parser)]
#[command(name = "etui-server", version, about = "The server of Etui, a zero-knowledge password manager")]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// What to do; serving, if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `serve`, which may be left out.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What `etui-server` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve (what happens if no command is given)
    #[command(after_help = EXAMPLES)]
    Serve(ServeOptions),
    /// Print the OpenAPI document of the API
    Openapi,
    /// Ask a running server whether it is ready; exits with 0 or 1
    Health {
        /// Where it listens, for example <http://127.0.0.1:8484>
        #[arg(long, env = "ETUI_URL", default_value = "http://127.0.0.1:8484")]
        url: http::Uri,
    },
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Folder for everything the server keeps [default: $XDG_DATA_HOME/etui-server, else ~/.local/share/etui-server,
    /// else ./etui-data]
    #[arg(long, env = "ETUI_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, env = "ETUI_LISTEN", value_name = "ADDRESS:PORT", default_value_t = DEFAULT_LISTEN)]
    pub listen: SocketAddr,
    /// The address that people use, if it is not the one listened on
    #[arg(long, env = "ETUI_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Who may make an account
    #[arg(long, env = "ETUI_SIGN_UP", value_enum, default_value_t = SignUpPolicy::Automatic)]
    pub sign_up: SignUpPolicy,
    /// Certificate chain as PEM: serve HTTPS
    #[arg(long, env = "ETUI_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate as PEM
    #[arg(long, env = "ETUI_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Network of proxies whose X-Forwarded-For is believed; may be given several times
    #[arg(
        long = "trusted-proxy",
        env = "ETUI_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// How much to log: off, error, warn, info, debug
    #[arg(long, env = "ETUI_LOG", value_name = "LEVEL", default_value_t = LevelFilter::INFO)]
    pub log: LevelFilter,
    /// Threads that serve requests [default: one per core, at most 4]
    #[arg(long, env = "ETUI_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignUpPolicy {
    /// Whoever sits at this machine: open while listening on loopback, without a public address and a proxy
    Automatic,
    /// Everyone who can reach the server
    Open,
    /// Nobody
    Closed,
}

impl ServeOptions {
    /// Everything in this folder, on a free port of the loopback address: for tests.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        Self {
            data: Some(data.into()),
            listen: SocketAddr::new(DEFAULT_LISTEN.ip(), 0),
            public_url: None,
            sign_up: SignUpPolicy::Automatic,
            tls_certificate: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            log: LevelFilter::INFO,
            threads: None,
        }
    }

    /// The folder for everything the server keeps.
    pub fn data_folder(&self) -> PathBuf {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.data
            .clone()
            .or_else(|| set("XDG_DATA_HOME").map(|home| home.join("etui-server")))
            .or_else(|| set("HOME").map(|home| home.join(".local/share/etui-server")))
            .unwrap_or_else(|| PathBuf::from("etui-data"))
    }

    /// Whether whoever reaches the server may make an account, forwarded requests apart.
    pub fn takes_sign_ups(&self) -> bool {
        match self.sign_up {
            SignUpPolicy::Automatic => self.listen.ip().is_loopback() && self.public_url.is_none(),
            SignUpPolicy::Open => true,
            SignUpPolicy::Closed => false,
        }
    }

    /// Threads that serve requests.
    pub fn worker_threads(&self) -> usize {
        self.threads.map_or_else(|| cores().min(4), usize::from)
    }
}

/// Processor cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_word_and_no_option() {
        let line = CommandLine::try_parse_from(["etui-server"]).unwrap();
        assert!(line.command.is_none());
        assert_eq!(line.serve.listen.to_string(), "127.0.0.1:8484");
        let line = CommandLine::try_parse_from(["etui-server", "--listen", "127.0.0.1:1"]).unwrap();
        assert_eq!(line.serve.listen.port(), 1);
        assert!(CommandLine::try_parse_from(["etui-server", "serve", "--tls-key", "key.pem"]).is_err());
    }

    #[test]
    fn sign_up_is_open_only_at_home_unless_said() {
        let takes = |arguments: &[&str]| {
            let line = CommandLine::try_parse_from([&["etui-server"], arguments].concat()).unwrap();
            line.serve.takes_sign_ups()
        };
        assert!(takes(&[]));
        assert!(takes(&["--listen", "[::1]:8484"]));
        assert!(!takes(&["--listen", "0.0.0.0:8484"]));
        assert!(!takes(&["--public-url", "https://etui.example.org"]));
        assert!(!takes(&["--sign-up", "closed"]));
        assert!(takes(&["--listen", "0.0.0.0:8484", "--sign-up", "open"]));
    }
}
