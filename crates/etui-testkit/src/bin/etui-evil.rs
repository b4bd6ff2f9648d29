//! `etui-evil`: see `etui-evil --help`.

use std::{
    io::{self, Write as _},
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use etui_testkit::{
    Exchange, Wire,
    evil::{
        catalogue,
        script::{self, ScriptError},
    },
};
use serde_json::json;
use url::Url;

const EXAMPLES: &str = "\
Examples:
  # Watch what a client asks for; nothing is altered
  etui-evil --upstream http://127.0.0.1:8080

  # Tell the lies of a file, and point a client at the printed address
  etui-evil --upstream http://127.0.0.1:8080 --script lies.toml
  ETUI_HOME=/tmp/victim etui login --server http://127.0.0.1:8090 --email ada@example.org

A file of lies:
  [[lie]]
  name = \"keeps the last record back, once the client has seen it honest twice\"
  on = \"GET /v1/vaults/*/changes\"
  after = 2
  do = [{ drop = \"last record\" }]

docs/security/evil.md explains every word of it.";

/// A malicious server: stands in front of an honest one and tells the lies of a file
///
/// For trying what a client does when its server lies. It passes everything on to the server behind it, prints a line for each
/// request, and alters the answers as the file says. Stop it with Ctrl-C.
#[derive(Parser)]
#[command(name = "etui-evil", version, after_help = EXAMPLES)]
struct CommandLine {
    /// The honest server, without TLS (put this program behind whatever ends TLS)
    #[arg(long, value_name = "URL", required_unless_present = "catalogue")]
    upstream: Option<Url>,
    /// The lies to tell; without it, nothing is altered
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// Where clients find it
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Print each exchange as a line of JSON
    #[arg(long)]
    json: bool,
    /// List the lies that a file can call by their names alone, and end
    #[arg(long)]
    catalogue: bool,
}

/// Why it does not start.
#[derive(Debug)]
enum Failure {
    /// The file is no script.
    Script(ScriptError),
    /// Nothing of that kind can be stood in front of.
    Upstream(&'static str),
    /// Something of the system failed.
    System { doing: &'static str, source: io::Error },
}

fn main() -> ExitCode {
    match run(&CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let line = match failure {
                Failure::Script(error) => error.to_string(),
                Failure::Upstream(wrong) => wrong.to_owned(),
                Failure::System { doing, source } => format!("{doing}: {source}"),
            };
            // Nobody is left to tell if that fails.
            let _ = writeln!(io::stderr(), "etui-evil: {line}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: &CommandLine) -> Result<(), Failure> {
    let Some(upstream) = line.upstream.as_ref().filter(|_| !line.catalogue) else { return list_catalogue() };
    let server = address(upstream)?;
    let lies =
        line.script.as_deref().map(script::read).transpose().map_err(Failure::Script)?.unwrap_or_default();
    let as_json = line.json;
    let wire = Wire::between(line.listen, server, Box::new(move |exchange| show(exchange, as_json)))
        .map_err(|source| Failure::System { doing: "listening", source })?;
    let said = writeln!(io::stderr(), "Listening on {}, in front of {upstream}", wire.url());
    said.map_err(|source| Failure::System { doing: "printing", source })?;
    let names: Vec<String> = lies.iter().map(|lie| lie.name().to_owned()).collect();
    let told: Vec<_> = lies.into_iter().map(|lie| wire.tell(lie)).collect();
    wait_for_ctrl_c()?;
    for (name, lying) in names.iter().zip(&told) {
        let said = writeln!(io::stderr(), "{name}: told {} times", lying.times());
        said.map_err(|source| Failure::System { doing: "printing", source })?;
    }
    Ok(())
}

fn list_catalogue() -> Result<(), Failure> {
    let lines = catalogue::LIST.iter().map(|listed| format!("{:<18} {}\n", listed.name, listed.does));
    let text: String = lines.collect();
    io::stdout().write_all(text.as_bytes()).map_err(|source| Failure::System { doing: "printing", source })
}

fn address(upstream: &Url) -> Result<SocketAddr, Failure> {
    if upstream.scheme() != "http" {
        return Err(Failure::Upstream(
            "--upstream is an http:// address: this program speaks no TLS, so it stands behind whatever does",
        ));
    }
    let host = upstream.host_str().ok_or(Failure::Upstream("--upstream needs a host"))?;
    let port = upstream.port_or_known_default().unwrap_or(80);
    let mut found = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(|source| Failure::System { doing: "looking the upstream server up", source })?;
    found.next().ok_or(Failure::Upstream("the upstream server has no address"))
}

fn show(exchange: &Exchange, as_json: bool) {
    let Exchange { method, path, status, is_altered, .. } = exchange;
    let line = if as_json {
        let status = Some(*status).filter(|status| *status != 0);
        json!({ "method": method, "path": path, "status": status, "altered": is_altered }).to_string()
    } else {
        let status = if *status == 0 { "no answer".to_owned() } else { status.to_string() };
        let altered = if *is_altered { "   altered" } else { "" };
        format!("{status:>9}  {method:<6} {path}{altered}")
    };
    // Whoever reads the lines may have gone; the server goes on.
    let _ = writeln!(io::stdout(), "{line}");
}

fn wait_for_ctrl_c() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let waited = runtime.and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()));
    waited.map_err(|source| Failure::System { doing: "waiting for Ctrl-C", source })
}
