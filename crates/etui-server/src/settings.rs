//! What can be set, and what holds without setting anything.

use std::{
    env, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use etui_api::server::SignUpMode;
use etui_store::{
    DatabaseConfig, DatabaseUrl, ObjectsConfig, Retention, S3Config, S3Credentials, SELF_HOSTED, StoreConfig,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use zeroize::Zeroizing;

mod mail;

pub use mail::{MailSettings, MailTls};
mod provider;

pub use provider::ProviderSettings;
pub(crate) use provider::is_private;

/// Where the server listens if nothing else is said.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8484);
/// The region of a bucket whose store has none.
const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_CACHE_MIB: u32 = 64;
const MAX_DEFAULT_THREADS: usize = 4;
const DEFAULT_DELETION_GRACE_DAYS: u16 = 7;
const DEFAULT_EXPORT_HOURS: u16 = 24;
const DEFAULT_KEEP_DAYS: u16 = 400;

/// Why settings cannot be used: one sentence, with what to mend.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("cannot read the {what} in {}", path.display())]
    File {
        /// What is in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of settings is wrong.
    #[error("the settings in {} are wrong", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// One setting needs another.
    #[error("`{given}` needs `{missing}` as well")]
    Incomplete {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// An address is none.
    #[error("`{setting}` must be an address such as https://etui.example.org, and is “{given}”")]
    Address {
        /// Which.
        setting: &'static str,
        /// What is there.
        given: String,
    },
    /// A provider cannot be used as it is described.
    #[error("the provider “{name}”: {fault}")]
    Provider {
        /// Its name.
        name: String,
        /// What is wrong, and how it would be right.
        fault: &'static str,
    },
    /// A file of credentials has another form.
    #[error("{} must have two lines: the access key id, the secret access key", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
    },
    /// The mail server is none.
    #[error(
        "`mail_server` must be like mail.example.org:587 or smtps://mail.example.org, and is “{given}”; who signs in is said in `mail_credentials_file`"
    )]
    MailServer {
        /// What is there.
        given: String,
    },
    /// The sender of letters is none.
    #[error("`mail_from` must be like etui@example.org or Etui <etui@example.org>, and is “{given}”")]
    MailFrom {
        /// What is there.
        given: String,
    },
    /// A file of credentials has another form.
    #[error("{} must have two lines: the user name, the password", path.display())]
    MailCredentials {
        /// The file.
        path: PathBuf,
    },
}

/// What one source says: flags and environment, or a file. Every setting has the same name in all of them.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Folder for everything the server keeps [default: $XDG_DATA_HOME/etui-server, else ~/.local/share/etui-server,
    /// else ./etui-data]
    #[arg(long, env = "ETUI_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:8484]
    #[arg(long, env = "ETUI_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Address and port on which metrics are to be had at /metrics: one that only your own network reaches [default: none]
    #[arg(long, env = "ETUI_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// Address of an OpenTelemetry collector to which traces are sent, over HTTP [default: none]
    #[arg(long, env = "ETUI_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// The address that people use, if it is not the one listened on
    #[arg(long, env = "ETUI_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Who may make an account [default: automatic]
    #[arg(long, env = "ETUI_SIGN_UP", value_enum)]
    sign_up: Option<SignUpPolicy>,
    /// Certificate chain as PEM: serve HTTPS
    #[arg(long, env = "ETUI_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Private key of the certificate as PEM
    #[arg(long, env = "ETUI_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Network of proxies whose X-Forwarded-For is believed; may be given several times
    #[arg(long, env = "ETUI_TRUSTED_PROXY", value_name = "NETWORK", value_delimiter = ',')]
    trusted_proxy: Option<Vec<IpNet>>,
    /// How much to log: off, error, warn, info, debug [default: info]
    #[arg(long, env = "ETUI_LOG", value_name = "LEVEL")]
    #[serde(with = "level")]
    log: Option<LevelFilter>,
    /// Threads that serve requests [default: one per core, at most 4]
    #[arg(long, env = "ETUI_THREADS", value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Seconds for which the server still serves after it was asked to stop, while it says that it is not ready: longer than
    /// a load balancer takes to notice [default: 0]
    #[arg(long, env = "ETUI_DRAIN_SECONDS", value_name = "SECONDS")]
    drain_seconds: Option<u16>,
    /// Days for which a deleted account can still be kept [default: 7]
    #[arg(long, env = "ETUI_DELETION_GRACE_DAYS", value_name = "DAYS")]
    deletion_grace_days: Option<u16>,
    /// Hours for which a download of everything held can be fetched [default: 24]
    #[arg(long, env = "ETUI_EXPORT_HOURS", value_name = "HOURS", value_parser = clap::value_parser!(u16).range(1..))]
    export_hours: Option<u16>,
    /// Days for which events of the audit log are kept [default: 400]
    #[arg(long, env = "ETUI_KEEP_EVENTS_DAYS", value_name = "DAYS")]
    keep_events_days: Option<u16>,
    /// Days for which a device is known that has no session any more, from its first sign-in [default: 400]
    #[arg(long, env = "ETUI_KEEP_DEVICES_DAYS", value_name = "DAYS")]
    keep_devices_days: Option<u16>,
    /// File with the URL of a PostgreSQL database [default: SQLite in the data folder]
    #[arg(long, env = "ETUI_DATABASE_URL_FILE", value_name = "FILE")]
    database_url_file: Option<PathBuf>,
    /// File with the key that signs access tokens, made if it is not there; nodes of one server share it [default:
    /// token.key in the data folder]
    #[arg(long, env = "ETUI_TOKEN_KEY_FILE", value_name = "FILE")]
    token_key_file: Option<PathBuf>,
    /// Bucket for sealed records [default: a folder in the data folder]
    #[arg(long, env = "ETUI_S3_BUCKET", value_name = "NAME")]
    s3_bucket: Option<String>,
    /// Address of an S3-compatible store [default: Amazon's]
    #[arg(long, env = "ETUI_S3_ENDPOINT", value_name = "URL")]
    s3_endpoint: Option<String>,
    /// Region of the bucket [default: us-east-1]
    #[arg(long, env = "ETUI_S3_REGION", value_name = "NAME")]
    s3_region: Option<String>,
    /// What every key in the bucket begins with
    #[arg(long, env = "ETUI_S3_PREFIX", value_name = "PREFIX")]
    s3_prefix: Option<String>,
    /// File with two lines: access key id, secret access key
    #[arg(long, env = "ETUI_S3_CREDENTIALS_FILE", value_name = "FILE")]
    s3_credentials_file: Option<PathBuf>,
    /// MiB of sealed records from the bucket to keep in memory; 0 for none [default: 64]
    #[arg(long, env = "ETUI_S3_CACHE_MIB", value_name = "NUMBER")]
    s3_cache_mib: Option<u32>,
    /// Mail server that letters are handed to, as host:port or as a URL with smtp or smtps [default: no letters]
    #[arg(long, env = "ETUI_MAIL_SERVER", value_name = "SERVER")]
    mail_server: Option<String>,
    /// Who writes the letters, for example "Etui <etui@example.org>"
    #[arg(long, env = "ETUI_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// File with two lines: user name and password at the mail server [default: it asks for none]
    #[arg(long, env = "ETUI_MAIL_CREDENTIALS_FILE", value_name = "FILE")]
    mail_credentials_file: Option<PathBuf>,
    /// Whether letters travel encrypted to the mail server [default: required, unless it is on this machine]
    #[arg(long, env = "ETUI_MAIL_TLS", value_enum)]
    mail_tls: Option<MailTls>,
    /// Plan of accounts that have none of their own [default: self-hosted, which limits nothing]
    #[arg(long, env = "ETUI_DEFAULT_PLAN", value_name = "NAME")]
    default_plan: Option<String>,
    /// Any number of tables, so in the file alone.
    #[arg(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provider: Vec<ProviderSettings>,
}

impl Given {
    /// Reads a file of settings. A setting that is not known is an error.
    ///
    /// # Errors
    /// `File`, `Toml`.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = read("settings", path)?;
        toml::from_str(&text)
            .map_err(|source| SettingsError::Toml { path: path.to_owned(), source: Box::new(source) })
    }

    /// What is given here, and what is not from below.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            otlp_endpoint: self.otlp_endpoint.or(below.otlp_endpoint),
            public_url: self.public_url.or(below.public_url),
            sign_up: self.sign_up.or(below.sign_up),
            tls_certificate: self.tls_certificate.or(below.tls_certificate),
            tls_key: self.tls_key.or(below.tls_key),
            trusted_proxy: self.trusted_proxy.or(below.trusted_proxy),
            log: self.log.or(below.log),
            threads: self.threads.or(below.threads),
            drain_seconds: self.drain_seconds.or(below.drain_seconds),
            deletion_grace_days: self.deletion_grace_days.or(below.deletion_grace_days),
            export_hours: self.export_hours.or(below.export_hours),
            keep_events_days: self.keep_events_days.or(below.keep_events_days),
            keep_devices_days: self.keep_devices_days.or(below.keep_devices_days),
            database_url_file: self.database_url_file.or(below.database_url_file),
            token_key_file: self.token_key_file.or(below.token_key_file),
            s3_bucket: self.s3_bucket.or(below.s3_bucket),
            s3_endpoint: self.s3_endpoint.or(below.s3_endpoint),
            s3_region: self.s3_region.or(below.s3_region),
            s3_prefix: self.s3_prefix.or(below.s3_prefix),
            s3_credentials_file: self.s3_credentials_file.or(below.s3_credentials_file),
            s3_cache_mib: self.s3_cache_mib.or(below.s3_cache_mib),
            mail_server: self.mail_server.or(below.mail_server),
            mail_from: self.mail_from.or(below.mail_from),
            mail_credentials_file: self.mail_credentials_file.or(below.mail_credentials_file),
            mail_tls: self.mail_tls.or(below.mail_tls),
            default_plan: self.default_plan.or(below.default_plan),
            provider: if self.provider.is_empty() { below.provider } else { self.provider },
        }
    }
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignUpPolicy {
    /// Whoever sits at this machine, while listening on loopback, without a public address and a proxy; by invitation elsewhere
    Automatic,
    /// Everyone who can reach the server
    Open,
    /// Whoever has an invitation
    Invite,
    /// Nobody, not even with an invitation
    Closed,
}

/// How the server serves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder for what lies in no other place.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where metrics are to be had, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The collector of traces, if there is one.
    pub otlp_endpoint: Option<String>,
    /// The address that people use, if it is not the one listened on.
    pub public_url: Option<String>,
    /// Who may make an account.
    pub sign_up: SignUpPolicy,
    /// HTTPS.
    pub tls: Option<TlsSettings>,
    /// Networks of proxies that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How much to log.
    pub log: LevelFilter,
    /// Threads that serve requests.
    pub threads: usize,
    /// How long it still serves after it was asked to stop.
    pub drain: Duration,
    /// How long a deleted account can still be kept.
    pub deletion_grace: Duration,
    /// How long a download of everything held can be fetched.
    pub export_lifetime: Duration,
    /// How long events of the audit log are kept.
    pub keep_events: Duration,
    /// How long a device is known that has no session any more.
    pub keep_devices: Duration,
    /// Where rows are, if not in a file of the data folder.
    pub database_url_file: Option<PathBuf>,
    /// The key that signs access tokens.
    pub token_key_file: PathBuf,
    /// Where sealed records are, if not in the data folder.
    pub s3: Option<S3Settings>,
    /// Where letters go out, if any do.
    pub mail: Option<MailSettings>,
    /// The plan of accounts that have none of their own.
    pub default_plan: String,
    /// Where people may sign in beside here.
    pub providers: Vec<ProviderSettings>,
}

/// The files for HTTPS.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// Its name.
    pub bucket: String,
    endpoint: Option<String>,
    region: String,
    prefix: Option<String>,
    credentials_file: PathBuf,
    cache_mib: u32,
}

impl Settings {
    /// Everything in this folder, on a free port of the loopback address: for tests.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        let listen = Some(SocketAddr::new(DEFAULT_LISTEN.ip(), 0));
        let given = Given { data: Some(data.into()), listen, ..Given::default() };
        Self::resolve(given).expect("a folder and an address are complete")
    }

    /// What holds where nothing is given.
    ///
    /// # Errors
    /// `Incomplete`.
    pub fn resolve(given: Given) -> Result<Self, SettingsError> {
        let data = given.data.unwrap_or_else(default_data);
        Ok(Self {
            tls: tls(given.tls_certificate, given.tls_key)?,
            s3: s3(
                given.s3_bucket,
                given.s3_credentials_file,
                given.s3_endpoint,
                given.s3_region,
                given.s3_prefix,
                given.s3_cache_mib,
            )?,
            mail: MailSettings::resolve(
                given.mail_server,
                given.mail_from,
                given.mail_credentials_file,
                given.mail_tls,
            )?,
            token_key_file: given.token_key_file.unwrap_or_else(|| data.join("token.key")),
            data,
            listen: given.listen.unwrap_or(DEFAULT_LISTEN),
            metrics_listen: given.metrics_listen,
            otlp_endpoint: given.otlp_endpoint.map(|given| address("otlp_endpoint", given)).transpose()?,
            public_url: given.public_url.map(|given| address("public_url", given)).transpose()?,
            sign_up: given.sign_up.unwrap_or(SignUpPolicy::Automatic),
            trusted_proxies: given.trusted_proxy.unwrap_or_default(),
            log: given.log.unwrap_or(LevelFilter::INFO),
            threads: given.threads.map_or_else(|| cores().min(MAX_DEFAULT_THREADS), usize::from),
            drain: Duration::from_secs(given.drain_seconds.unwrap_or(0).into()),
            deletion_grace: days(given.deletion_grace_days.unwrap_or(DEFAULT_DELETION_GRACE_DAYS)),
            export_lifetime: Duration::from_hours(given.export_hours.unwrap_or(DEFAULT_EXPORT_HOURS).into()),
            keep_events: days(given.keep_events_days.unwrap_or(DEFAULT_KEEP_DAYS)),
            keep_devices: days(given.keep_devices_days.unwrap_or(DEFAULT_KEEP_DAYS)),
            database_url_file: given.database_url_file,
            default_plan: given.default_plan.unwrap_or_else(|| SELF_HOSTED.to_owned()),
            providers: provider::checked(given.provider)?,
        })
    }

    /// As a file of settings.
    pub fn to_toml(&self) -> String {
        let (tls, s3, mail) = (self.tls.clone(), self.s3.clone(), self.mail.clone());
        let given = Given {
            data: Some(self.data.clone()),
            listen: Some(self.listen),
            metrics_listen: self.metrics_listen,
            otlp_endpoint: self.otlp_endpoint.clone(),
            public_url: self.public_url.clone(),
            sign_up: Some(self.sign_up),
            tls_certificate: tls.as_ref().map(|tls| tls.certificate.clone()),
            tls_key: tls.map(|tls| tls.key),
            trusted_proxy: Some(self.trusted_proxies.clone()),
            log: Some(self.log),
            threads: u16::try_from(self.threads).ok(),
            drain_seconds: u16::try_from(self.drain.as_secs()).ok(),
            deletion_grace_days: Some(in_days(self.deletion_grace)),
            export_hours: u16::try_from(self.export_lifetime.as_secs() / 3600).ok(),
            keep_events_days: Some(in_days(self.keep_events)),
            keep_devices_days: Some(in_days(self.keep_devices)),
            database_url_file: self.database_url_file.clone(),
            token_key_file: Some(self.token_key_file.clone()),
            s3_bucket: s3.as_ref().map(|s3| s3.bucket.clone()),
            s3_endpoint: s3.as_ref().and_then(|s3| s3.endpoint.clone()),
            s3_region: s3.as_ref().map(|s3| s3.region.clone()),
            s3_prefix: s3.as_ref().and_then(|s3| s3.prefix.clone()),
            s3_cache_mib: s3.as_ref().map(|s3| s3.cache_mib),
            s3_credentials_file: s3.map(|s3| s3.credentials_file),
            mail_server: mail.as_ref().map(|mail| mail.server.clone()),
            mail_from: mail.as_ref().map(|mail| mail.from.clone()),
            mail_tls: mail.as_ref().and_then(|mail| mail.tls),
            mail_credentials_file: mail.and_then(|mail| mail.credentials_file),
            default_plan: Some(self.default_plan.clone()),
            provider: self.providers.clone(),
        };
        toml::to_string(&given).expect("settings are plain values")
    }

    /// Who may make an account, asked with a request that was `forwarded` or not: one that was comes from somewhere else.
    pub fn sign_up_mode(&self, forwarded: bool) -> SignUpMode {
        match self.sign_up {
            SignUpPolicy::Automatic if self.is_at_home() && !forwarded => SignUpMode::Open,
            SignUpPolicy::Automatic | SignUpPolicy::Invite => SignUpMode::Invite,
            SignUpPolicy::Open => SignUpMode::Open,
            SignUpPolicy::Closed => SignUpMode::Closed,
        }
    }

    /// Whether it is for this machine alone: it listens nowhere else, and has no other name.
    pub const fn is_at_home(&self) -> bool {
        self.listen.ip().is_loopback() && self.public_url.is_none()
    }

    /// How long records stay that nobody needs any more.
    pub const fn retention(&self) -> Retention {
        Retention { audit_events: self.keep_events, known_devices: self.keep_devices }
    }

    /// Where the store keeps its data; secrets are read from their files.
    ///
    /// # Errors
    /// `File`, `Credentials`.
    pub fn store(&self) -> Result<StoreConfig, SettingsError> {
        let database = match &self.database_url_file {
            None => DatabaseConfig::File,
            Some(path) => {
                let url = read("database's URL", path)?;
                DatabaseConfig::Postgres(Arc::new(DatabaseUrl::new(url.trim().to_owned())))
            }
        };
        let objects = match &self.s3 {
            None => ObjectsConfig::Folder,
            Some(s3) => ObjectsConfig::S3(Arc::new(s3.config()?)),
        };
        Ok(StoreConfig {
            data: self.data.clone(),
            database,
            objects,
            default_plan: self.default_plan.clone(),
        })
    }
}

impl S3Settings {
    fn config(&self) -> Result<S3Config, SettingsError> {
        let text = read("credentials of the bucket", &self.credentials_file)?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (Some(id), Some(secret), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(SettingsError::Credentials { path: self.credentials_file.clone() });
        };
        Ok(S3Config {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            credentials: S3Credentials::new(id.to_owned(), secret.to_owned()),
            cache_bytes: u64::from(self.cache_mib) << 20,
        })
    }
}

/// Processor cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn days(number: u16) -> Duration {
    Duration::from_hours(u64::from(number) * 24)
}

fn in_days(duration: Duration) -> u16 {
    u16::try_from(duration.as_secs() / (24 * 60 * 60)).unwrap_or(u16::MAX)
}

/// Without a slash at its end.
fn address(setting: &'static str, given: String) -> Result<String, SettingsError> {
    let url = given.trim_end_matches('/').parse::<http::Uri>().ok();
    let right = url.filter(|url| {
        let plain = url.path() == "/" && url.query().is_none();
        plain && url.authority().is_some() && matches!(url.scheme_str(), Some("http" | "https"))
    });
    match right {
        Some(_) => Ok(given.trim_end_matches('/').to_owned()),
        None => Err(SettingsError::Address { setting, given }),
    }
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsSettings>, SettingsError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsSettings { certificate, key })),
        (Some(_), None) => Err(SettingsError::Incomplete { given: "tls_certificate", missing: "tls_key" }),
        (None, Some(_)) => Err(SettingsError::Incomplete { given: "tls_key", missing: "tls_certificate" }),
    }
}

fn s3(
    bucket: Option<String>,
    credentials_file: Option<PathBuf>,
    endpoint: Option<String>,
    region: Option<String>,
    prefix: Option<String>,
    cache_mib: Option<u32>,
) -> Result<Option<S3Settings>, SettingsError> {
    let incomplete = |given, missing| Err(SettingsError::Incomplete { given, missing });
    match (bucket, credentials_file) {
        (Some(bucket), Some(credentials_file)) => {
            let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
            let cache_mib = cache_mib.unwrap_or(DEFAULT_CACHE_MIB);
            Ok(Some(S3Settings { bucket, endpoint, region, prefix, credentials_file, cache_mib }))
        }
        (Some(_), None) => incomplete("s3_bucket", "s3_credentials_file"),
        (None, Some(_)) => incomplete("s3_credentials_file", "s3_bucket"),
        (None, None) if endpoint.is_some() => incomplete("s3_endpoint", "s3_bucket"),
        (None, None) if region.is_some() => incomplete("s3_region", "s3_bucket"),
        (None, None) if prefix.is_some() => incomplete("s3_prefix", "s3_bucket"),
        (None, None) if cache_mib.is_some() => incomplete("s3_cache_mib", "s3_bucket"),
        (None, None) => Ok(None),
    }
}

fn default_data() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .map(|home| home.join("etui-server"))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/etui-server")))
        .unwrap_or_else(|| PathBuf::from("etui-data"))
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<String>, SettingsError> {
    fs::read_to_string(path).map(Zeroizing::new).map_err(|source| SettingsError::File {
        what,
        path: path.to_owned(),
        source,
    })
}

mod level {
    use serde::{Deserialize as _, Deserializer, Serializer, de};
    use tracing::level_filters::LevelFilter;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(
        level: &Option<LevelFilter>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match level {
            Some(level) => serializer.serialize_str(&level.to_string()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<LevelFilter>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Some).map_err(|_| de::Error::custom("a level is off, error, warn, info or debug"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, toml).unwrap();
        let said = |error: SettingsError| {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        };
        Given::read(&path).and_then(Settings::resolve).map_err(said)
    }

    #[test]
    fn sign_up_is_open_only_at_home_unless_said() {
        use SignUpMode::{Closed, Invite, Open};
        for (toml, near, forwarded) in [
            ("", Open, Invite),
            ("listen = '[::1]:8484'", Open, Invite),
            ("listen = '0.0.0.0:8484'", Invite, Invite),
            ("public_url = 'https://etui.example.org'", Invite, Invite),
            ("sign_up = 'invite'", Invite, Invite),
            ("sign_up = 'closed'", Closed, Closed),
            ("listen = '0.0.0.0:8484'\nsign_up = 'open'", Open, Open),
        ] {
            let settings = settings(toml).unwrap();
            assert_eq!([false, true].map(|it| settings.sign_up_mode(it)), [near, forwarded], "{toml}");
        }
    }

    #[test]
    fn what_is_not_known_or_incomplete_is_named() {
        for (toml, named) in [
            ("listne = '127.0.0.1:1'", "unknown field `listne`"),
            ("threads = 'many'", "threads"),
            ("log = 'loud'", "a level is off"),
            ("otlp_endpoint = 'banana'", "`otlp_endpoint` must be"),
            ("public_url = 'banana'", "`public_url` must be"),
            ("public_url = 'https://a.example/path'", "`public_url` must be"),
            ("tls_key = 'key.pem'", "`tls_key` needs `tls_certificate`"),
            ("s3_bucket = 'etui'", "`s3_bucket` needs `s3_credentials_file`"),
            ("s3_prefix = 'etui'", "`s3_prefix` needs `s3_bucket`"),
            ("s3_cache_mib = 5", "`s3_cache_mib` needs `s3_bucket`"),
            ("mail_server = 'mail.example.org'", "`mail_server` needs `mail_from`"),
            ("mail_tls = 'off'", "`mail_tls` needs `mail_server`"),
            ("mail_server = 'ftp://a'\nmail_from = 'etui@example.org'", "`mail_server` must be"),
            ("mail_server = 'a:25'\nmail_from = 'etui'", "`mail_from` must be"),
            ("[[provider]]\nname = 'work'", "missing field"),
        ] {
            let said = settings(toml).unwrap_err();
            assert!(said.contains(named), "{toml}: {said}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back_the_same() {
        let full = "data = '/srv/etui'\nlisten = '0.0.0.0:443'\n\
             metrics_listen = '127.0.0.1:9484'\notlp_endpoint = 'http://127.0.0.1:4318'\npublic_url = 'https://etui.example.org'\n\
             sign_up = 'open'\ntls_certificate = 'chain.pem'\ntls_key = 'key.pem'\ntrusted_proxy = ['10.0.0.0/8']\n\
             log = 'warn'\nthreads = 3\ndrain_seconds = 10\ndeletion_grace_days = 3\nexport_hours = 5\n\
             keep_events_days = 90\nkeep_devices_days = 91\ndatabase_url_file = 'url'\n\
             token_key_file = 'key'\ns3_bucket = 'etui'\n\
             s3_endpoint = 'http://127.0.0.1:1'\ns3_region = 'here'\ns3_prefix = 'a'\ns3_credentials_file = 'keys'\n\
             s3_cache_mib = 5\nmail_server = 'mail.example.org:587'\nmail_from = 'Etui <etui@example.org>'\n\
             mail_credentials_file = 'mail'\nmail_tls = 'required'\n\
             default_plan = 'free'\n\
             \n[[provider]]\nname = 'work'\ntitle = 'Work'\nissuer = 'https://id.example.org'\n\
             client_id = 'etui'\nclient_secret_file = 'secret'\nscopes = ['email']\n";
        let printed = settings(full).unwrap().to_toml();
        assert_eq!(printed, settings(&printed).unwrap().to_toml());
        assert_eq!(printed.replace('"', "'"), full);
        settings(&settings("").unwrap().to_toml()).unwrap();
    }

    #[test]
    fn secrets_are_read_from_files_and_shown_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let (url, keys) = (folder.path().join("url"), folder.path().join("keys"));
        fs::write(&url, "postgres://app:canary-1@127.0.0.1/etui\n").unwrap();
        fs::write(&keys, "canary-2\ncanary-3\n").unwrap();
        let toml = format!(
            "database_url_file = '{}'\ns3_bucket = 'etui'\ns3_credentials_file = '{}'\nmail_server = 'a.example'\n\
             mail_from = 'etui@a.example'\nmail_credentials_file = '{1}'",
            url.display(),
            keys.display()
        );
        let settings = settings(&toml).unwrap();
        let mail = settings.mail.as_ref().unwrap();
        let secrets = (settings.store().unwrap(), mail.config().unwrap());
        let shown = format!("{:?} {} {:?}", settings, settings.to_toml(), secrets);
        assert!(!shown.contains("canary"), "{shown}");
        fs::write(&keys, "only one line").unwrap();
        assert!(matches!(settings.store(), Err(SettingsError::Credentials { .. })));
        assert!(matches!(mail.config(), Err(SettingsError::MailCredentials { .. })));
    }
}
