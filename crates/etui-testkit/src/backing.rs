//! Where a story's server keeps its data, and how many nodes it has: what `ETUI_TEST_STAGE` says. The same stories are told
//! on all of them. `cargo xtask services` starts what they need.

use std::{env, fs, path::Path};

use data_encoding::HEXLOWER;
use sea_orm::{ConnectionTrait as _, Database};

/// The server's settings beside those that every story gives.
pub(crate) const SETTINGS_FILE: &str = "server.toml";

/// Where the data is, and what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Everything in a folder.
    Folder,
    /// Rows in PostgreSQL, sealed records in a folder.
    Postgres,
    /// Rows in PostgreSQL, sealed records in a bucket.
    PostgresS3,
    /// The same, with two nodes behind a load balancer.
    PostgresS3Haproxy,
}

impl Backing {
    const NAMED: [(&str, Self); 4] = [
        ("folder", Self::Folder),
        ("postgres", Self::Postgres),
        ("postgres-s3", Self::PostgresS3),
        ("postgres-s3-haproxy", Self::PostgresS3Haproxy),
    ];

    /// The one that `ETUI_TEST_STAGE` names; a folder if it is not set.
    pub(crate) fn of_environment() -> Self {
        let name = env::var("ETUI_TEST_STAGE").unwrap_or_else(|_| "folder".to_owned());
        let named = Self::NAMED.iter().find(|(known, _)| *known == name);
        let known = Self::NAMED.map(|(known, _)| known).join(", ");
        named.unwrap_or_else(|| panic!("ETUI_TEST_STAGE is {name}, and should be one of {known}")).1
    }

    /// Makes an empty place for a story's server; its settings lie in the stage's folder then.
    pub(crate) fn prepare(self, stage: &Path) {
        let place = || Place::new(stage, variable("ETUI_TEST_POSTGRES"));
        let mut settings = match self {
            Self::Folder => return,
            Self::Postgres => place().database(),
            Self::PostgresS3 | Self::PostgresS3Haproxy => {
                let place = place();
                place.database() + &place.bucket(&variable)
            }
        };
        if self == Self::PostgresS3Haproxy {
            settings += BEHIND_A_PROXY;
        }
        fs::write(stage.join(SETTINGS_FILE), settings).expect("a file");
    }
}

/// Whose headers are believed, and that people may sign up over it.
pub(crate) const BEHIND_A_PROXY: &str = "trusted_proxy = ['127.0.0.1/32']\nsign_up = 'open'\n";

/// An empty place on services, with a name of its own.
pub(crate) struct Place<'a> {
    stage: &'a Path,
    server: String,
    name: String,
}

impl<'a> Place<'a> {
    /// On the PostgreSQL server at this URL, which is one without a database's name.
    pub(crate) fn new(stage: &'a Path, server: String) -> Self {
        // The folder's name is random; databases are named in lower case.
        let random = HEXLOWER.encode(stage.as_os_str().as_encoded_bytes());
        Self { stage, server, name: format!("stage_{}", &random[random.len() - 24..]) }
    }

    /// The settings of a new database.
    pub(crate) fn database(&self) -> String {
        create_database(&format!("{}/postgres", self.server), &self.name);
        let url = self.write("database-url", &self.url(&self.server));
        format!(
            "database_url_file = '{url}'\ntoken_key_file = '{}'\n",
            self.stage.join("token.key").display()
        )
    }

    /// The URL of the database, on a server that may have another address by now.
    pub(crate) fn url(&self, server: &str) -> String {
        format!("{server}/{}\n", self.name)
    }

    /// The settings of a bucket, whose variables are those of `cargo xtask services`.
    pub(crate) fn bucket(&self, variable: &dyn Fn(&str) -> String) -> String {
        let keys =
            format!("{}\n{}\n", variable("ETUI_TEST_S3_ACCESS_KEY"), variable("ETUI_TEST_S3_SECRET_KEY"));
        let credentials = self.write("s3-credentials", &keys);
        let [endpoint, bucket] = ["ETUI_TEST_S3_ENDPOINT", "ETUI_TEST_S3_BUCKET"].map(variable);
        format!(
            "s3_endpoint = '{endpoint}'\ns3_bucket = '{bucket}'\ns3_prefix = '{}'\n\
             s3_credentials_file = '{credentials}'\n",
            self.name
        )
    }

    fn write(&self, file: &str, text: &str) -> String {
        let path = self.stage.join(file);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}

/// In a thread of its own: the story may have a runtime already.
fn create_database(url: &str, name: &str) {
    std::thread::scope(|scope| {
        let create = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let database = Database::connect(url).await.expect("PostgreSQL answers");
                let created = database.execute_unprepared(&format!("CREATE DATABASE {name}")).await;
                created.expect("a database");
                database.close().await.expect("it ends");
            });
        };
        scope.spawn(create).join().expect("a database");
    });
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `cargo xtask services -- COMMAND` sets it"))
}
