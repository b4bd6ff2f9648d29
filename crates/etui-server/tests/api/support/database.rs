//! Where the data of a server is: what `ETUI_TEST_STAGE` says, as in the stories.

use std::{fs, path::Path};

use data_encoding::HEXLOWER;
use etui_server::settings::{Given, Settings};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

use super::backing::{Backing, SETTINGS_FILE};

/// The settings of a server with nothing in it yet.
pub(crate) fn settings(folder: &Path) -> Settings {
    let mut settings = Settings::in_folder(folder);
    Backing::of_environment().prepare(folder);
    let file = folder.join(SETTINGS_FILE);
    if file.is_file() {
        let given = Settings::resolve(Given::read(&file).unwrap()).unwrap();
        settings.database_url_file = given.database_url_file;
        settings.s3 = given.s3;
    }
    settings
}

/// Its database, from outside.
pub(crate) async fn connect(settings: &Settings) -> DatabaseConnection {
    let url = match &settings.database_url_file {
        Some(file) => fs::read_to_string(file).unwrap().trim().to_owned(),
        None => format!("sqlite://{}", settings.data.join("etui.db").display()),
    };
    Database::connect(url).await.unwrap()
}

/// Every row of every table in which these bytes are a column.
pub(crate) async fn rows_with(settings: &Settings, bytes: &[u8]) -> Vec<String> {
    let database = connect(settings).await;
    let bytes = HEXLOWER.encode(bytes);
    let mut found = Vec::new();
    for table in tables(&database).await {
        let rows = texts(&database, &rows_of(&database, &table).await).await;
        let naming = rows.into_iter().filter(|row| row.to_lowercase().contains(&bytes));
        found.extend(naming.map(|row| format!("{table}: {row}")));
    }
    database.close().await.unwrap();
    found
}

async fn tables(database: &DatabaseConnection) -> Vec<String> {
    let query = match database.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        _ => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    };
    texts(database, query).await
}

/// The query for the rows of a table, each as one text.
async fn rows_of(database: &DatabaseConnection, table: &str) -> String {
    if database.get_database_backend() != DbBackend::Sqlite {
        return format!("SELECT CAST(it AS text) FROM {table} it ORDER BY 1");
    }
    let columns = texts(database, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
    let columns: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
    format!("SELECT {} FROM {table} ORDER BY 1", columns.join(" || ', ' || "))
}

async fn texts(database: &DatabaseConnection, query: &str) -> Vec<String> {
    let statement = Statement::from_string(database.get_database_backend(), query);
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}
