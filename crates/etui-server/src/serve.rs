//! From options to a running server, and to its end.

use std::{
    fs, io,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum_server::{Handle, accept::NoDelayAcceptor};
use etui_api::{limits::MAX_UPLOADS_BYTES, server::SignUpMode, session::Token};
use etui_store::{Store, StoreError};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    app::App,
    body::UploadRoom,
    envelope::RequestIds,
    invitations, jobs, log,
    login::{LoginError, LoginHasher},
    mail::Post,
    metrics::{self, Metrics},
    passkeys,
    provider::Providers,
    routes,
    settings::{MailSettings, Settings, SettingsError, cores},
    shutdown::{self, Phase},
    telemetry,
    token_keys::TokenKeysError,
    tokens::Tokens,
};

mod certificate;
mod tls;

use tls::Tls;
pub use tls::TlsError;

/// A connection that has not sent a whole request head by then is closed.
const HEAD_PATIENCE: Duration = Duration::from_secs(20);
/// Threads beside the workers, for hashing and files.
const MAX_BLOCKING_THREADS: usize = 32;

/// Why the server did not start: one sentence, with the next step.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made or written.
    #[error("cannot keep data in {}: make it writable for this user, or choose another with --data", folder.display())]
    DataFolder {
        /// The folder.
        folder: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// Something listens there already.
    #[error("{address} is in use: is another etui-server running? Stop it, or choose another with --listen")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the network said.
        #[source]
        source: io::Error,
    },
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The token key cannot be had.
    #[error(transparent)]
    TokenKeys(#[from] TokenKeysError),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The database cannot be used.
    #[error("cannot open the data in {}", folder.display())]
    Store {
        /// The data folder.
        folder: PathBuf,
        /// What is wrong with it.
        #[source]
        source: StoreError,
    },
    /// What the mail server's certificate would be checked against cannot be used.
    #[error("cannot use the certificates of this machine, which the mail server's is checked against")]
    Certificates(#[source] lettre::transport::smtp::Error),
    /// The plan of accounts that have none of their own cannot be had.
    #[error(
        "the setting `default_plan` names no plan: `etui-server admin plan list` shows those that there are, and \
         `etui-server admin plan define` makes one"
    )]
    DefaultPlan {
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The operating system gave no random bytes.
    #[error("could not draw random bytes")]
    Random(#[from] getrandom::Error),
    /// The login hasher could not be made.
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// Serves until the process is asked to end: the whole of `etui-server serve`.
///
/// # Errors
/// Whatever keeps it from starting, as a sentence with the next step.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.threads)
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let traces = telemetry::install(settings.log, settings.otlp_endpoint.as_deref())?;
        let server = Server::start(settings).await?;
        // Before anything is said: whoever hears that the server is there may ask it to stop.
        let asked_to_stop = shutdown::asked_to_stop()?;
        let set_up_link = invitations::set_up_link(&server.app.store, settings, server.url()).await?;
        announce(&server, settings, set_up_link.as_ref())?;
        asked_to_stop.await;
        shutdown::drain(&server.app, settings.drain).await?;
        server.stop().await?;
        if let Some(traces) = traces {
            traces.end().await;
        }
        Ok(())
    })
}

/// A running server.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    connections: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
    metrics: Option<(SocketAddr, JoinHandle<io::Result<()>>)>,
    jobs: JoinHandle<()>,
}

impl Server {
    /// Opens the data, listens and serves, in tasks of the current runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let tls = tls::config(settings.tls.as_ref())?;
        // Before the data is touched: a second server on the same port must leave it alone.
        let listener = listen(settings.listen)?;
        let address = listener.local_addr().map_err(|source| listen_error(settings.listen, source))?;
        let metrics_listener = settings.metrics_listen.map(listen_for_metrics).transpose()?;
        let certificate_ends_s = tls.as_ref().and_then(|tls| tls.certificate_ends_s);
        let app = Arc::new(open(settings, address, certificate_ends_s).await?);
        let connections = Handle::new();
        let task = tokio::spawn(serve(Arc::clone(&app), listener, tls, connections.clone()));
        let metrics = metrics_listener
            .map(|(listener, address)| (address, tokio::spawn(metrics::serve(Arc::clone(&app), listener))));
        let jobs = tokio::spawn(jobs::run(Arc::clone(&app)));
        Ok(Self { app, address, connections, task, metrics, jobs })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics are to be had, if they are.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(address, _)| *address)
    }

    /// The address that people use.
    pub fn url(&self) -> &str {
        &self.app.url
    }

    /// Lets running requests finish, then closes the data.
    ///
    /// # Errors
    /// The network's, if serving failed.
    pub async fn stop(self) -> io::Result<()> {
        shutdown::begin(&self.app, &self.connections);
        let served = self.task.await;
        drop(self.jobs.await);
        if let Some((_, metrics)) = self.metrics {
            drop(metrics.await);
        }
        self.app.store.close().await;
        served.unwrap_or(Ok(()))
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| listen_error(address, source))
}

fn listen_for_metrics(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = listen(address)?;
    let bound = listener.local_addr().map_err(|source| listen_error(address, source))?;
    Ok((listener, bound))
}

fn listen_error(address: SocketAddr, source: io::Error) -> StartError {
    match source.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse { address },
        _ => StartError::Listen { address, source },
    }
}

async fn open(
    settings: &Settings,
    address: SocketAddr,
    certificate_ends_s: Option<u64>,
) -> Result<App, StartError> {
    let folder = settings.data.clone();
    make_folder(&folder)?;
    let tokens = Tokens::open(&settings.token_key_file)?;
    let store =
        Store::open(&settings.store()?).await.map_err(|source| StartError::Store { folder, source })?;
    store.check_default_plan().await.map_err(|source| StartError::DefaultPlan { source })?;
    if settings.s3.is_some() {
        try_objects(&store, settings).await?;
    }
    let over_tls = settings.tls.is_some();
    let url = url(settings, address, over_tls);
    let post = post(settings, &url)?;
    let providers = Providers::new(&settings.providers, &url)?;
    Ok(App {
        metrics: Metrics::new(&store, post.as_ref(), settings, certificate_ends_s),
        store,
        tokens,
        login: LoginHasher::new(cores() - 1)?,
        post,
        upload_room: UploadRoom::new(MAX_UPLOADS_BYTES),
        settings: settings.clone(),
        providers,
        over_tls: over_tls || url.starts_with("https://"),
        passkeys: passkeys::verifier(&url),
        url,
        request_ids: RequestIds::new()?,
        phase: watch::Sender::new(Phase::Serving),
    })
}

fn post(settings: &Settings, url: &str) -> Result<Option<Post>, StartError> {
    let config = settings.mail.as_ref().map(MailSettings::config).transpose()?;
    config.map(|config| Post::new(config, url.to_owned())).transpose().map_err(StartError::Certificates)
}

/// A bucket that cannot be used is said now, and not to the first device that saves something.
async fn try_objects(store: &Store, settings: &Settings) -> Result<(), StartError> {
    let failed = |source| StartError::Store { folder: settings.data.clone(), source };
    let report = store.check_objects().await.map_err(failed)?;
    if !report.refuses_overwriting {
        log::info("the bucket overwrites objects when asked not to; nothing here depends on that").write();
    }
    Ok(())
}

fn make_folder(folder: &Path) -> Result<(), StartError> {
    let failed = |source| StartError::DataFolder { folder: folder.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    // Making a file tells more surely than permission bits whether the folder can be written.
    let probe = folder.join(".writable");
    fs::write(&probe, []).and_then(|()| fs::remove_file(&probe)).map_err(failed)
}

/// The address that people use.
pub(crate) fn url(settings: &Settings, address: SocketAddr, over_tls: bool) -> String {
    if let Some(url) = &settings.public_url {
        return url.clone();
    }
    let scheme = if over_tls { "https" } else { "http" };
    if address.ip().is_loopback() {
        return format!("{scheme}://localhost:{}", address.port());
    }
    format!("{scheme}://{address}")
}

async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<Tls>,
    connections: Handle<SocketAddr>,
) -> io::Result<()> {
    let router = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(NoDelayAcceptor)
        .handle(connections)
        .first_request_timeout(HEAD_PATIENCE);
    server.http_builder().http1().header_read_timeout(HEAD_PATIENCE);
    match tls {
        Some(tls) => server.map(|plain| tls::acceptor(tls.config).acceptor(plain)).serve(router).await,
        None => server.serve(router).await,
    }
}

/// The one place where a secret is printed: to whoever starts the server, and not to the log.
fn announce(server: &Server, settings: &Settings, set_up_link: Option<&Token>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let url = server.url();
    writeln!(out, "Etui listens on {url} ({}).", server.address())?;
    match (&settings.database_url_file, &settings.s3) {
        (None, None) => writeln!(out, "Everything is kept in {}.", settings.data.display())?,
        (database, bucket) => {
            let folder = format!("in {}", settings.data.display());
            let rows = database.as_ref().map_or(folder.as_str(), |_| "in PostgreSQL");
            let records =
                bucket.as_ref().map_or(folder.clone(), |bucket| format!("in the bucket {}", bucket.bucket));
            writeln!(out, "Rows are kept {rows}, sealed records {records}.")?;
        }
    }
    if let Some(address) = server.metrics_address() {
        writeln!(out, "Metrics are at http://{address}/metrics.")?;
    }
    if !settings.listen.ip().is_loopback() && settings.tls.is_none() && settings.public_url.is_none() {
        writeln!(
            out,
            "\nThis is plain HTTP: give a certificate, or --public-url behind a proxy that serves HTTPS."
        )?;
    }
    if let Some(link) = set_up_link {
        writeln!(
            out,
            "\nThere is no administrator yet. Make an account for one by this link, which counts once and for 7 days:"
        )?;
        writeln!(out, "  {}", link.expose())?;
        writeln!(out, "Whoever has it can do that: keep it to yourself.")?;
    }
    match settings.sign_up_mode(false) {
        SignUpMode::Open if set_up_link.is_some() => {
            writeln!(out, "\nEverybody may sign up, and administers nothing by it.")?;
        }
        SignUpMode::Open => {
            writeln!(out, "\nMake your account:\n  etui signup --server {url} --email you@example.org")?;
        }
        SignUpMode::Invite if set_up_link.is_some() => {}
        SignUpMode::Invite => {
            writeln!(out, "\nAccounts are made by invitation: etui-server admin invite")?;
        }
        SignUpMode::Closed => writeln!(out, "\nNo new accounts are taken.")?,
    }
    out.flush()
}
