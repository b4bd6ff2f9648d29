//! Where a story's server keeps its data: in a folder, or, where `ETUI_TEST_STAGE` is `postgres-s3`, in PostgreSQL and a
//! bucket, which `cargo xtask services` starts. The same stories are told on both.

use std::{env, fs, path::Path};

use data_encoding::HEXLOWER;
use sea_orm::{ConnectionTrait as _, Database};

/// The server's settings beside those that every story gives.
pub(crate) const SETTINGS_FILE: &str = "server.toml";

/// Makes an empty place for a story's server; its settings lie in the stage's folder then.
pub(crate) fn prepare(stage: &Path) {
    match env::var("ETUI_TEST_STAGE").as_deref() {
        Err(env::VarError::NotPresent) | Ok("folder") => {}
        Ok("postgres-s3") => prepare_services(stage),
        other => panic!("ETUI_TEST_STAGE is {other:?}, and should be `folder` or `postgres-s3`"),
    }
}

fn prepare_services(stage: &Path) {
    let server = variable("ETUI_TEST_POSTGRES");
    // The folder's name is random; databases are named in lower case.
    let random = HEXLOWER.encode(stage.as_os_str().as_encoded_bytes());
    let name = format!("stage_{}", &random[random.len() - 24..]);
    create_database(&format!("{server}/postgres"), &name);
    let write = |file: &str, text: String| {
        let path = stage.join(file);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let url = write("database-url", format!("{server}/{name}\n"));
    let keys = format!("{}\n{}\n", variable("ETUI_TEST_S3_ACCESS_KEY"), variable("ETUI_TEST_S3_SECRET_KEY"));
    let credentials = write("s3-credentials", keys);
    let [endpoint, bucket] = ["ETUI_TEST_S3_ENDPOINT", "ETUI_TEST_S3_BUCKET"].map(variable);
    let settings = format!(
        "database_url_file = '{url}'\ns3_endpoint = '{endpoint}'\ns3_bucket = '{bucket}'\ns3_prefix = '{name}'\n\
         s3_credentials_file = '{credentials}'\ntoken_key_file = '{}'\n",
        stage.join("token.key").display()
    );
    write(SETTINGS_FILE, settings);
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
