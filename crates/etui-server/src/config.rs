//! The command line, and what can be set: by a flag, an environment variable, a line of a file, in this order.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    admin::AdminCommand,
    settings::{Given, Settings, SettingsError},
};

const EXAMPLES: &str = "\
Every setting has one name: `--s3-bucket` on the command line is ETUI_S3_BUCKET in the environment and `s3_bucket`
in the file given with --config. The first of these that is there counts.

Examples:
  etui-server
      Listens on http://localhost:8484 and keeps everything in one folder.
  etui-server serve --data /srv/etui --listen 0.0.0.0:443 --tls-certificate chain.pem --tls-key key.pem
      Serves HTTPS itself.
  etui-server serve --public-url https://etui.example.org --trusted-proxy 10.0.0.0/8
      Behind a proxy that serves HTTPS.
  etui-server serve --config /etc/etui/server.toml
      Reads settings from a file; `etui-server config check --config …` says whether it is right.
  etui-server serve --database-url-file url.txt --s3-bucket etui --s3-credentials-file s3.txt
      Rows in PostgreSQL and sealed records in a bucket, for any number of nodes.
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

/// What `etui-server` can do. What the options of each are is set out for the one that is asked for.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Serve (what happens if no command is given)
    #[command(after_help = EXAMPLES)]
    Serve(ServeOptions),
    /// Look at the settings without serving
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the tables up to this version, while nodes of the version before go on serving
    #[command(
        after_help = "Example:\n  etui-server migrate --config /etc/etui/server.toml\n\nIt is for PostgreSQL: a file in the data folder is brought up to date by `serve`. What is up to date stays as it is. A token key is made if there is none yet, for all nodes to share."
    )]
    Migrate(ServeOptions),
    /// Make a new key that signs access tokens; nobody is signed out, and running nodes take it up by themselves. With --at-once:
    /// replace every key of a file that somebody may know
    #[command(
        after_help = "Examples:\n  etui-server rotate-token-key --config /etc/etui/server.toml\n  etui-server rotate-token-key --config /etc/etui/server.toml --at-once\n\nNodes that have copies of the file need the new one within ten minutes, before the new key signs; with --at-once they need it now. That one also seals anew what lies sealed in the database. Every node must run version 0.2 or later."
    )]
    RotateTokenKey {
        /// Let nothing of the file count any more, at once: somebody may know it. Every device signs in again
        #[arg(long)]
        at_once: bool,
        /// Where the server keeps its data
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Copy everything into a folder, as it is at one moment; a server may be running
    #[command(
        after_help = "Examples:\n  etui-server backup --to /backup/etui\n  etui-server backup --config /etc/etui/server.toml --to /backup/etui\n\nThe folder is a data folder like any other. A second backup into it copies only what is new."
    )]
    Backup {
        /// The folder of the backup
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
        /// Where the server keeps its data
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Fill an empty data folder, or an empty database and bucket, from a backup
    #[command(after_help = "Example:\n  etui-server restore --from /backup/etui --data /srv/etui")]
    Restore {
        /// The folder of the backup
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// Use a bucket or folder of segments that belongs to another database, which must be gone for good: what this
        /// one does not know will be removed from it
        #[arg(long)]
        take_over: bool,
        /// Where the server keeps its data
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Check every row, object, hash and chain; exits with 1 and names what is wrong
    #[command(after_help = "Example:\n  etui-server verify --data /backup/etui")]
    Verify(ServeOptions),
    /// Remove deleted accounts whose grace is over, and records past their time, now; a server may be running
    #[command(
        after_help = "Example:\n  etui-server purge --config /etc/etui/server.toml\n\nA server does so by itself once an hour."
    )]
    Purge(ServeOptions),
    /// Send a letter, and say what came of each step; exits with 0 or 1
    #[command(
        after_help = "Example:\n  etui-server mail-test --config /etc/etui/server.toml --to you@example.org"
    )]
    MailTest {
        /// Where to
        #[arg(long, value_name = "ADDRESS")]
        to: String,
        /// Where letters go out
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Do what an administrator may, beside a running server or without one
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print the OpenAPI document of the API
    Openapi,
    /// Ask a running server whether it is ready; exits with 0 or 1
    Health {
        /// Where it listens, for example <http://127.0.0.1:8484>
        #[arg(long, env = "ETUI_URL", default_value = "http://127.0.0.1:8484")]
        url: http::Uri,
    },
}

/// What can be done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the settings are right; exits with 0 or 1
    Check(ServeOptions),
    /// Print the settings that hold, as a file for --config; secrets are in files and stay there
    Print(ServeOptions),
}

/// How to serve, as far as flags and environment say.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// File with settings (TOML)
    #[arg(long, env = "ETUI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

impl ServeOptions {
    /// With the file and what holds otherwise.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn settings(self) -> Result<Settings, SettingsError> {
        let file = self.config.as_deref().map(Given::read).transpose()?;
        Settings::resolve(self.given.over(file.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use etui_api::server::SignUpMode;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_word_and_no_option() {
        let line = CommandLine::try_parse_from(["etui-server"]).unwrap();
        assert!(line.command.is_none());
        assert_eq!(line.serve.settings().unwrap().listen.to_string(), "127.0.0.1:8484");
        let line = CommandLine::try_parse_from(["etui-server", "--listen", "127.0.0.1:1"]).unwrap();
        assert_eq!(line.serve.settings().unwrap().listen.port(), 1);
    }

    #[test]
    fn a_flag_counts_more_than_the_file_and_the_file_more_than_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.toml");
        std::fs::write(&file, "listen = '127.0.0.1:7'\nsign_up = 'closed'\n").unwrap();
        let flags = ["etui-server", "--config", file.to_str().unwrap(), "--listen", "127.0.0.1:8"];
        let settings = CommandLine::try_parse_from(flags).unwrap().serve.settings().unwrap();
        assert_eq!(settings.listen.port(), 8);
        assert_eq!(settings.sign_up_mode(false), SignUpMode::Closed);
    }
}
