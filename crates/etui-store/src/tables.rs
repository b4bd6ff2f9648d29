//! Every table that is worth keeping, column by column, and copying all of them from one database to another.
//!
//! Sessions are not among them: a restored server asks every device to sign in again, and a copy holds nothing that
//! could speak for anybody.

use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Value};

use crate::{
    StoreError,
    sql::{self, Columns as _},
};

/// Rows read and written at a time: the number of parameters of a statement is limited.
const PAGE_ROWS: usize = 256;

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Bytes,
    Number,
    Text,
}

struct Table {
    name: &'static str,
    /// The columns of the primary key come first.
    columns: &'static [(&'static str, Kind)],
    key_columns: usize,
    /// The column whose values the database draws itself.
    drawn: Option<&'static str>,
}

use Kind::{Bytes, Number, Text};

/// In an order in which what is referred to comes before what refers to it.
const TABLES: [Table; 17] = [
    Table { name: "plan", columns: &[("name", Text), ("entitlements", Text)], key_columns: 1, drawn: None },
    Table {
        name: "flag",
        columns: &[("name", Text), ("share_percent", Number)],
        key_columns: 1,
        drawn: None,
    },
    Table {
        name: "account",
        columns: &[
            ("account_id", Bytes),
            ("email", Text),
            ("login_hash", Text),
            ("state_version", Number),
            ("state_hash", Bytes),
            ("created_ms", Number),
            ("role", Text),
            ("plan", Text),
            ("disabled_ms", Number),
            ("delete_at_ms", Number),
            ("credentials_version", Number),
            ("approve_devices", Number),
            ("sign_in_by_link", Number),
            ("email_confirmed", Number),
            ("pseudonym_key", Bytes),
        ],
        key_columns: 1,
        drawn: None,
    },
    Table {
        name: "identity",
        columns: &[
            ("issuer", Text),
            ("subject", Text),
            ("account_id", Bytes),
            ("linked_ms", Number),
            ("used_ms", Number),
        ],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "passkey",
        columns: &[
            ("credential_id", Bytes),
            ("account_id", Bytes),
            ("name", Text),
            ("body", Bytes),
            ("created_ms", Number),
            ("used_ms", Number),
        ],
        key_columns: 1,
        drawn: None,
    },
    Table {
        name: "totp",
        columns: &[("account_id", Bytes), ("secret", Bytes), ("last_step", Number), ("created_ms", Number)],
        key_columns: 1,
        drawn: None,
    },
    Table {
        name: "recovery_code",
        columns: &[("account_id", Bytes), ("code_hash", Bytes)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "known_device",
        columns: &[("account_id", Bytes), ("device_id", Bytes), ("first_ms", Number), ("approved", Number)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "account_flag",
        columns: &[("account_id", Bytes), ("name", Text), ("enabled", Number)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "invitation",
        columns: &[
            ("invitation_number", Number),
            ("secret_hash", Bytes),
            ("email", Text),
            ("role", Text),
            ("plan", Text),
            ("mailed", Number),
            ("created_ms", Number),
            ("expires_ms", Number),
        ],
        key_columns: 1,
        drawn: Some("invitation_number"),
    },
    Table {
        name: "audit_event",
        columns: &[
            ("event_number", Number),
            ("time_ms", Number),
            ("account", Bytes),
            ("actor", Text),
            ("action", Text),
            ("object", Bytes),
            ("outcome", Text),
        ],
        key_columns: 1,
        drawn: Some("event_number"),
    },
    Table {
        name: "account_state",
        columns: &[("account_id", Bytes), ("version", Number), ("state_hash", Bytes), ("body", Bytes)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "named_record",
        columns: &[("account_id", Bytes), ("record_hash", Bytes), ("first_version", Number), ("body", Bytes)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "vault",
        columns: &[
            ("vault_number", Number),
            ("account_id", Bytes),
            ("vault_id", Bytes),
            ("head_seq", Number),
            ("head_hash", Bytes),
            ("entries", Number),
        ],
        key_columns: 1,
        drawn: Some("vault_number"),
    },
    Table {
        name: "vault_commit",
        columns: &[("vault_number", Number), ("seq", Number), ("commit_hash", Bytes), ("body", Bytes)],
        key_columns: 2,
        drawn: None,
    },
    Table {
        name: "segment",
        columns: &[
            ("segment_number", Number),
            ("vault_number", Number),
            ("object_key", Bytes),
            ("inline", Bytes),
            ("bytes", Number),
            ("dead_since_ms", Number),
        ],
        key_columns: 1,
        drawn: Some("segment_number"),
    },
    Table {
        name: "object",
        columns: &[
            ("vault_number", Number),
            ("object_id", Bytes),
            ("seq", Number),
            ("version", Number),
            ("record_hash", Bytes),
            ("segment_number", Number),
            ("segment_offset", Number),
            ("length", Number),
        ],
        key_columns: 2,
        drawn: None,
    },
];

/// Copies every row. `from` must show one moment for as long as this takes; `to` must be empty, but for what the migrations put
/// there.
pub(crate) async fn copy<F: ConnectionTrait, T: ConnectionTrait>(
    from: &F,
    to: &T,
) -> Result<u64, StoreError> {
    let mut copied = 0;
    for table in &TABLES {
        copied += copy_table(table, from, to).await?;
        if let Some(column) = table.drawn {
            draw_beyond(table, column, to).await?;
        }
    }
    Ok(copied)
}

async fn copy_table<F: ConnectionTrait, T: ConnectionTrait>(
    table: &Table,
    from: &F,
    to: &T,
) -> Result<u64, StoreError> {
    sql::execute(to, "emptying a table", &format!("DELETE FROM {}", table.name), []).await?;
    let mut last: Vec<Value> = Vec::new();
    let mut copied = 0;
    loop {
        let rows = sql::rows(from, "reading a table", &table.select(!last.is_empty()), last).await?;
        let rows = rows.iter().map(|row| table.values(row)).collect::<Result<Vec<_>, _>>()?;
        let Some(newest) = rows.last() else { return Ok(copied) };
        last = newest[..table.key_columns].to_vec();
        let count = rows.len();
        let insert = table.insert(count);
        sql::execute(to, "writing a table", &insert, rows.into_iter().flatten()).await?;
        copied += count as u64;
        if count < PAGE_ROWS {
            return Ok(copied);
        }
    }
}

/// PostgreSQL counts on where it stopped counting; SQLite, behind the largest number that is there.
async fn draw_beyond<T: ConnectionTrait>(table: &Table, column: &str, to: &T) -> Result<(), StoreError> {
    if to.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let Table { name, .. } = table;
    let query = format!(
        "SELECT setval(pg_get_serial_sequence('{name}', '{column}'), COALESCE(MAX({column}), 0) + 1, false) FROM {name}"
    );
    sql::row(to, "going on with a table's numbers", &query, []).await.map(drop)
}

impl Table {
    /// A page, from the beginning or behind a key.
    fn select(&self, behind: bool) -> String {
        let names = |columns: &[(&'static str, Kind)]| {
            columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
        };
        let key = names(&self.columns[..self.key_columns]);
        let condition = if behind {
            format!("WHERE ({key}) > ({})", sql::placeholders(1, self.key_columns))
        } else {
            String::new()
        };
        format!(
            "SELECT {} FROM {} {condition} ORDER BY {key} LIMIT {PAGE_ROWS}",
            names(self.columns),
            self.name
        )
    }

    fn insert(&self, rows: usize) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        let width = names.len();
        let tuples: Vec<_> =
            (0..rows).map(|row| format!("({})", sql::placeholders(1 + row * width, width))).collect();
        format!("INSERT INTO {} ({}) VALUES {}", self.name, names.join(", "), tuples.join(", "))
    }

    fn values(&self, row: &QueryResult) -> Result<Vec<Value>, StoreError> {
        let value = |(index, (_, kind)): (usize, &(&str, Kind))| {
            Ok(match kind {
                Bytes => row.column::<Option<Vec<u8>>>(index)?.into(),
                Number => row.column::<Option<i64>>(index)?.into(),
                Text => row.column::<Option<String>>(index)?.into(),
            })
        };
        self.columns.iter().enumerate().map(value).collect()
    }
}
