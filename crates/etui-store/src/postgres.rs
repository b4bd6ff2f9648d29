//! What is PostgreSQL's alone: how it is connected to. The statements are in the SQL that SQLite shares.

use std::{fmt, io, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::{self, Connection as _, PgConnection},
};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::{StoreError, sql};

/// Connections of one node.
const CONNECTIONS: u32 = 16;
/// How long a request waits for a connection.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(5);
/// A connection unused for longer is tried before it is used: the database may have been restarted.
const TRY_AFTER_IDLE: Duration = Duration::from_secs(1);
/// How long a connection that is given back may take to say that it is well. One that says nothing leads to a machine that is
/// gone, and would be kept, and missed, for as long as the operating system believes in it.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);
/// Given to the database, which ends by itself whatever takes longer.
const TIME_OUTS: [(&str, &str); 3] =
    [("statement_timeout", "20s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "30s")];

/// Where the database is and how to sign in there: `postgres://user:password@host:port/name`. A secret.
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// Takes the URL.
    pub fn new(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DatabaseUrl(…)")
    }
}

pub(crate) async fn open(url: &DatabaseUrl) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url.0.as_str());
    options
        .max_connections(CONNECTIONS)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_PATIENCE)
        .connect_timeout(ACQUIRE_PATIENCE)
        .idle_timeout(Duration::from_mins(5))
        .test_before_acquire_if_idle_for(TRY_AFTER_IDLE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.application_name("etui-server").options(TIME_OUTS))
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_release(|connection, _| Box::pin(is_well(connection)))
        });
    Database::connect(options).await.map_err(sql::failed("connecting to the database"))
}

async fn is_well(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    timeout(RELEASE_PATIENCE, connection.ping()).await.map_err(silent)??;
    Ok(true)
}
