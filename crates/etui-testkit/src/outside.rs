//! What a story's server keeps outside the stage's folder: every table of its database and every object of its bucket.

use std::{env, fs};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{
    ObjectStore, ObjectStoreExt as _,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement,
    sqlx::postgres::PgPoolCopyExt as _,
};

use crate::{Stage, backing::SETTINGS_FILE};

/// All of it by name, as bytes; nothing where everything lies in the folder.
///
/// A table is read with `COPY … (FORMAT binary)`: every column of every row as its own bytes, while in the text of a dump
/// those of `bytea` stand in hexadecimal, and no program of PostgreSQL is needed. Which tables there are is asked of
/// the catalogue, so that none can be forgotten; large objects are read as well, though the server makes none.
pub fn kept_outside(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let Ok(settings) = fs::read_to_string(stage.path().join(SETTINGS_FILE)) else { return Vec::new() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut kept = Vec::new();
        if let Some(file) = setting(&settings, "database_url_file") {
            kept.extend(tables(fs::read_to_string(file).expect("the database's URL").trim()).await);
        }
        if setting(&settings, "s3_bucket").is_some() {
            kept.extend(objects(&settings).await);
        }
        kept
    })
}

async fn tables(url: &str) -> Vec<(String, Vec<u8>)> {
    const TABLES: &str = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    const LARGE_OBJECTS: &str = "SELECT oid::text FROM pg_largeobject_metadata";
    let database = Database::connect(url).await.expect("PostgreSQL answers");
    let mut kept = Vec::new();
    for table in texts(&database, TABLES).await {
        let bytes = copied(&database, &format!("SELECT * FROM {table}")).await;
        kept.push((format!("table {table}"), bytes));
    }
    for large_object in texts(&database, LARGE_OBJECTS).await {
        let bytes = copied(&database, &format!("SELECT lo_get({large_object})")).await;
        kept.push((format!("large object {large_object}"), bytes));
    }
    database.close().await.expect("it ends");
    kept
}

async fn texts(database: &DatabaseConnection, query: &str) -> Vec<String> {
    let statement = Statement::from_string(DbBackend::Postgres, query);
    let rows = database.query_all_raw(statement).await.expect("the catalogue");
    rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
}

async fn copied(database: &DatabaseConnection, query: &str) -> Vec<u8> {
    let pool = database.get_postgres_connection_pool();
    let statement = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
    let rows = pool.copy_out_raw(&statement).await.expect("a copy");
    rows.try_collect::<Vec<Bytes>>().await.expect("a whole copy").concat()
}

/// Those of this story: others have theirs in the same bucket, under other prefixes.
async fn objects(settings: &str) -> Vec<(String, Vec<u8>)> {
    let bucket = bucket(settings);
    let prefix = Path::from(setting(settings, "s3_prefix").expect("a prefix"));
    let all: Vec<_> = bucket.list(Some(&prefix)).try_collect().await.expect("a list of objects");
    let mut kept = Vec::new();
    for object in all {
        let bytes = bucket.get(&object.location).await.expect("an object").bytes().await;
        kept.push((format!("object {}", object.location), bytes.expect("a whole object").to_vec()));
    }
    kept
}

fn bucket(settings: &str) -> AmazonS3 {
    let variable = |name| env::var(name).expect("what `cargo xtask services -- COMMAND` sets");
    AmazonS3Builder::new()
        .with_endpoint(setting(settings, "s3_endpoint").expect("an address"))
        .with_allow_http(true)
        .with_region("default")
        .with_bucket_name(setting(settings, "s3_bucket").expect("a bucket"))
        .with_access_key_id(variable("ETUI_TEST_S3_ACCESS_KEY"))
        .with_secret_access_key(variable("ETUI_TEST_S3_SECRET_KEY"))
        .with_virtual_hosted_style_request(false)
        .build()
        .expect("a bucket")
}

/// The value of a line `name = 'value'`.
fn setting<'a>(settings: &'a str, name: &str) -> Option<&'a str> {
    let values = settings.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = '"));
    values.into_iter().next()?.strip_suffix('\'')
}
