//! Plain statements through the connection of `SeaORM`, in the SQL that SQLite and PostgreSQL share: `$1` names a parameter in
//! both, and so do row values, `ON CONFLICT` and `RETURNING`.
//!
//! A limit that is a constant stands in the statement and not among its values: one with a parameter there is prepared anew by
//! SQLite each time that it is asked.

use std::{io, sync::Arc, time::Duration};

use etui_chain::{Digest, Id};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, SqlErr, Statement, TryGetable, Value, sqlx,
};

use tokio::time::timeout;

use crate::{StoreError, span};

/// How long PostgreSQL is waited for when it says nothing at all, since it is gone or cut off: longer than it may take over a
/// statement itself (`postgres::TIME_OUTS`).
const PATIENCE: Duration = Duration::from_secs(25);

/// SQLite's primary code for a full disk, its code for a full disk under the shared memory file, PostgreSQL's
/// `disk_full`.
const DISK_FULL_CODES: [&str; 3] = ["13", "4874", "53100"];

/// PostgreSQL's classes and codes for: no connection, a deadlock or another conflict between transactions, too many
/// connections, a lock not had in time, a statement that took too long, a server that stops or starts. Each as the beginning of a code.
const UNAVAILABLE_CODES: [&str; 6] = ["08", "40", "53300", "55P03", "57014", "57P"];

/// Batches of inserts come in these sizes only, so that few statements are prepared and kept.
const BATCH_SIZES: [usize; 3] = [128, 16, 1];

pub(crate) async fn rows<C: ConnectionTrait>(
    connection: &C,
    doing: &'static str,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    let statement = statement(connection, sql, values)?;
    in_time(connection, doing, connection.query_all_raw(statement)).await
}

pub(crate) async fn row<C: ConnectionTrait>(
    connection: &C,
    doing: &'static str,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<QueryResult>, StoreError> {
    let statement = statement(connection, sql, values)?;
    in_time(connection, doing, connection.query_one_raw(statement)).await
}

/// As [`rows`], where the caller knows that there cannot be more than so many: to fetch one takes half as long.
pub(crate) async fn rows_up_to<C: ConnectionTrait>(
    connection: &C,
    doing: &'static str,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
    most: u64,
) -> Result<Vec<QueryResult>, StoreError> {
    if most == 1 {
        return Ok(row(connection, doing, sql, values).await?.into_iter().collect());
    }
    rows(connection, doing, sql, values).await
}

/// Gives the number of rows that were changed.
pub(crate) async fn execute<C: ConnectionTrait>(
    connection: &C,
    doing: &'static str,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, StoreError> {
    let statement = statement(connection, sql, values)?;
    Ok(in_time(connection, doing, connection.execute_raw(statement)).await?.rows_affected())
}

/// # Errors
/// `NotText` for a text with a NUL in it, which SQLite would keep and PostgreSQL would not.
fn statement<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Statement, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let mut values = statement.values.iter().flat_map(|values| &values.0);
    if values.any(|value| matches!(value, Value::String(Some(text)) if text.contains('\0'))) {
        return Err(StoreError::NotText);
    }
    Ok(statement)
}

/// Whatever is asked of the database is asked within a time: no request hangs because the other side is gone without a word.
/// What became of it is not known then. A file has no other side.
pub(crate) async fn in_time<C: ConnectionTrait, T>(
    connection: &C,
    doing: &'static str,
    asked: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, StoreError> {
    let asked = span::in_span(span::database(doing), asked);
    if connection.get_database_backend() == DbBackend::Sqlite {
        return asked.await.map_err(failed(doing));
    }
    let silent = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    let silence = |_| Err(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(silent()))));
    timeout(PATIENCE, asked).await.unwrap_or_else(silence).map_err(failed(doing))
}

/// Runs `{head} ($1, …), (…) {tail}` over all tuples, in batches. The iterator's own type stays out of the future:
/// with closures over borrowed rows inside, nobody could prove it to be `Send`.
pub(crate) async fn insert_all<C: ConnectionTrait, const N: usize>(
    connection: &C,
    doing: &'static str,
    head: &str,
    tail: &str,
    tuples: &mut (dyn ExactSizeIterator<Item = [Value; N]> + Send),
) -> Result<(), StoreError> {
    while tuples.len() > 0 {
        let size = batch_size(tuples.len());
        let sql = format!("{head} {} {tail}", tuple_placeholders(size, N));
        execute(connection, doing, &sql, tuples.take(size).flatten()).await?;
    }
    Ok(())
}

/// `$first, $first+1, …`: the list for `IN (…)`.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|index| format!("${index}")).collect::<Vec<_>>().join(", ")
}

/// Locks the rows read until the transaction ends. SQLite has one writer, which is the caller.
pub(crate) fn for_update<C: ConnectionTrait>(connection: &C) -> &'static str {
    if connection.get_database_backend() == DbBackend::Sqlite { "" } else { " FOR UPDATE" }
}

/// As [`for_update`], but others may do the same.
pub(crate) fn for_share<C: ConnectionTrait>(connection: &C) -> &'static str {
    if connection.get_database_backend() == DbBackend::Sqlite { "" } else { " FOR SHARE" }
}

/// As [`for_share`], and others may change the rows, as long as they do not remove them.
pub(crate) fn for_key_share<C: ConnectionTrait>(connection: &C) -> &'static str {
    if connection.get_database_backend() == DbBackend::Sqlite { "" } else { " FOR KEY SHARE" }
}

/// As [`for_update`], but what somebody else has locked is passed over.
pub(crate) fn skip_locked<C: ConnectionTrait>(connection: &C) -> &'static str {
    if connection.get_database_backend() == DbBackend::Sqlite { "" } else { " FOR UPDATE SKIP LOCKED" }
}

/// Says what was being done, and tells a full disk from other failures.
pub(crate) fn failed(doing: &'static str) -> impl Fn(DbErr) -> StoreError {
    move |source| {
        if is_disk_full(&source) {
            StoreError::StorageFull
        } else if is_unavailable(&source) {
            StoreError::Unavailable { what: "database", doing, source: Box::new(source) }
        } else {
            StoreError::Database { doing, source }
        }
    }
}

/// Whether SQLite found its file damaged, or no database at all.
pub(crate) fn is_damaged_file(error: &StoreError) -> bool {
    /// `SQLITE_CORRUPT`, `SQLITE_NOTADB`.
    const CODES: [&str; 2] = ["11", "26"];
    matches!(error, StoreError::Database { source, .. } if code(source).is_some_and(|code| CODES.contains(&code.as_str())))
}

/// Something of that name has come in between: trying again, with another name, may succeed.
pub(crate) fn not_unique(error: StoreError) -> StoreError {
    match error {
        StoreError::Database { doing, source } if is_not_unique(&source) => {
            StoreError::Unavailable { what: "database", doing, source: Box::new(source) }
        }
        other => other,
    }
}

/// What something new was to belong to is gone.
pub(crate) fn not_referred(error: StoreError) -> StoreError {
    match error {
        StoreError::Database { source, .. }
            if matches!(source.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_))) =>
        {
            StoreError::NotFound
        }
        other => other,
    }
}

fn is_not_unique(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// A number as both databases keep it. Counters never come near the limit: they move by one.
pub(crate) fn number(value: u64) -> Value {
    i64::try_from(value).unwrap_or(i64::MAX).into()
}

pub(crate) fn id(id: impl Into<Id>) -> Value {
    id.into().as_bytes().to_vec().into()
}

pub(crate) fn digest(digest: &Digest) -> Value {
    digest.as_bytes().to_vec().into()
}

/// Typed columns by their place in the select list.
pub(crate) trait Columns {
    fn column<T: TryGetable>(&self, index: usize) -> Result<T, StoreError>;

    fn number(&self, index: usize) -> Result<u64, StoreError> {
        let value: i64 = self.column(index)?;
        u64::try_from(value).map_err(|_| StoreError::Damaged { found: "a negative number in a row" })
    }

    fn id<T: From<Id>>(&self, index: usize) -> Result<T, StoreError> {
        let bytes: Vec<u8> = self.column(index)?;
        let id = bytes.try_into().ok().and_then(|bytes| Id::new(bytes).ok());
        id.map(T::from).ok_or(StoreError::Damaged { found: "an id of another form in a row" })
    }

    fn digest(&self, index: usize) -> Result<Digest, StoreError> {
        let bytes: Vec<u8> = self.column(index)?;
        let bytes = bytes.try_into();
        bytes.map(Digest::new).map_err(|_| StoreError::Damaged { found: "a digest of another form in a row" })
    }
}

impl Columns for QueryResult {
    fn column<T: TryGetable>(&self, index: usize) -> Result<T, StoreError> {
        self.try_get_by_index(index).map_err(failed("reading a row"))
    }
}

fn batch_size(waiting: usize) -> usize {
    BATCH_SIZES.into_iter().find(|size| *size <= waiting).unwrap_or(1)
}

fn tuple_placeholders(tuples: usize, width: usize) -> String {
    let tuple = |index| format!("({})", placeholders(1 + index * width, width));
    (0..tuples).map(tuple).collect::<Vec<_>>().join(", ")
}

fn is_disk_full(error: &DbErr) -> bool {
    code(error).is_some_and(|code| DISK_FULL_CODES.contains(&code.as_str()))
}

fn is_unavailable(error: &DbErr) -> bool {
    let unreachable = match sqlx_error(error) {
        Some(error) => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        ),
        None => matches!(error, DbErr::ConnectionAcquire(_)),
    };
    unreachable
        || code(error).is_some_and(|code| UNAVAILABLE_CODES.iter().any(|prefix| code.starts_with(prefix)))
}

fn code(error: &DbErr) -> Option<String> {
    let error = sqlx_error(error)?.as_database_error()?;
    error.code().map(std::borrow::Cow::into_owned)
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}
