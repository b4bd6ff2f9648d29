//! Every row of a store, in a form that does not depend on which database it is.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};

use crate::backend::Backend;

/// What is another one in every store: its random name, when its tables were made, and what SQLite has counted.
const OWN: [&str; 3] = ["store", "seaql_migrations", "sqlite_sequence"];
/// Numbers that the database draws, by the table that has each once. They are counted anew.
const DRAWN: [(&str, &str); 5] = [
    ("vault", "vault_number"),
    ("segment", "segment_number"),
    ("audit_event", "event_number"),
    ("invitation", "invitation_number"),
    ("mail", "mail_number"),
];
/// Random names of objects, pseudonyms and the keys that make them, and times that depend on a number that the database draws.
const RANDOM: [&str; 6] = ["object_key", "pseudonym_key", "account", "actor_id", "object", "compact_at_ms"];

type Row = BTreeMap<String, String>;

/// Every row of every table that there is.
pub(crate) async fn rows(backend: &Backend) -> BTreeSet<String> {
    let database = backend.connect().await;
    let mut tables = BTreeMap::new();
    for table in tables_of(&database).await {
        if !OWN.contains(&table.as_str()) {
            let rows = rows_of(&database, &table).await;
            tables.insert(table, rows);
        }
    }
    database.close().await.unwrap();
    assert!(tables.contains_key("object") && tables.contains_key("session"), "every table is read");
    count_anew(&mut tables);
    let mut all = BTreeSet::new();
    for (table, rows) in tables {
        for row in rows {
            // Each has a key of its own.
            assert!(all.insert(format!("{table} {row:?}")), "a row of {table} is there twice");
        }
    }
    all
}

async fn tables_of(database: &DatabaseConnection) -> Vec<String> {
    let query = match database.get_database_backend() {
        DbBackend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
    };
    texts(database, query).await.concat()
}

async fn rows_of(database: &DatabaseConnection, table: &str) -> Vec<Row> {
    let is_sqlite = database.get_database_backend() == DbBackend::Sqlite;
    let (columns, quote) = if is_sqlite {
        (format!("SELECT name FROM pragma_table_info('{table}')"), "quote")
    } else {
        let columns =
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
        (format!("{columns} AND table_name = '{table}'"), "quote_nullable")
    };
    let columns = texts(database, &columns).await.concat();
    let quoted: Vec<String> = columns.iter().map(|column| format!("{quote}({column})")).collect();
    let rows = texts(database, &format!("SELECT {} FROM {table}", quoted.join(", "))).await;
    rows.into_iter()
        .map(|row| columns.iter().cloned().zip(row.into_iter().map(|text| plain(&text))).collect())
        .collect()
}

async fn texts(database: &DatabaseConnection, query: &str) -> Vec<Vec<String>> {
    let statement = Statement::from_string(database.get_database_backend(), query);
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| (0..row.column_names().len()).map(|index| row.try_get_by_index(index).unwrap()).collect())
        .collect()
}

/// `X'AB'` and `'\xab'` are the same bytes, `7` and `'7'` the same number.
fn plain(quoted: &str) -> String {
    let text = quoted.trim_start_matches("E'").trim_matches('\'').replace("\\\\", "\\");
    let bytes = text.strip_prefix("X'").or_else(|| text.strip_prefix("\\x"));
    bytes.map_or_else(|| text.clone(), |hex| format!("bytes {}", hex.to_lowercase()))
}

fn count_anew(tables: &mut BTreeMap<String, Vec<Row>>) {
    for (table, column) in DRAWN {
        let mut drawn: Vec<u64> = tables[table].iter().map(|row| row[column].parse().unwrap()).collect();
        drawn.sort_unstable();
        for value in tables.values_mut().flatten().filter_map(|row| row.get_mut(column)) {
            let place = value.parse().ok().map(|number: u64| drawn.binary_search(&number));
            *value = place.map_or_else(|| value.clone(), |place| format!("number {place:?}"));
        }
    }
    for row in tables.values_mut().flatten() {
        for column in RANDOM {
            if let Some(value) =
                row.get_mut(column).filter(|value| !["NULL", "0", "1"].contains(&value.as_str()))
            {
                "some".clone_into(value);
            }
        }
    }
}
