//! Writing one download.

use std::collections::HashMap;

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use etui_chain::AccountId;
use object_store::{ObjectStoreExt as _, WriteMultipart, path::Path};
use sea_orm::{DatabaseTransaction, QueryResult, Value as Parameter};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    Store, StoreError,
    audit::Pseudonyms,
    holdings::{Form, Given, HOLDINGS, Holding, Whose},
    pull::Place,
    sql::{self, Columns as _},
};

/// The form of the file.
const FORM: u32 = 1;
/// What an object store is given at once; it takes no smaller parts but the last.
const PART_BYTES: usize = 5 << 20;
/// Parts that are under way beside the one that is being filled.
const PARTS_UNDER_WAY: usize = 1;
/// Rows read together, and rows that hold signed or sealed bytes.
const PAGE_ROWS: u64 = 256;
const PAGE_BODIES: u64 = 16;
const READING: &str = "reading what is held about somebody";

impl Store {
    /// Writes everything about an account, as it is at one moment, into an object: its length.
    ///
    /// # Errors
    /// `NotFound` if the account is gone; `Database`, `Blobs`.
    pub(super) async fn write_bundle(
        &self,
        path: &Path,
        account_id: AccountId,
        now_ms: u64,
    ) -> Result<u64, StoreError> {
        const WRITING: &str = "writing a download";
        let upload = self.inner().objects.put_multipart(path).await.map_err(StoreError::blobs(WRITING))?;
        let mut bundle = Bundle::new(WriteMultipart::new_with_chunk_size(upload, PART_BYTES));
        match self.write_all(&mut bundle, account_id, now_ms).await {
            Ok(()) => {
                let bytes = bundle.bytes;
                bundle.upload.finish().await.map_err(StoreError::blobs(WRITING))?;
                Ok(bytes)
            }
            Err(error) => {
                // The reason counts; what cannot be taken back now is swept up later.
                drop(bundle.upload.abort().await);
                Err(error)
            }
        }
    }

    async fn write_all(
        &self,
        bundle: &mut Bundle,
        account_id: AccountId,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let snapshot = self.snapshot().await?;
        let person = Person::read(&snapshot, account_id).await?;
        bundle.line(&json!({ "etui_data": FORM, "account_id": account_id, "made_ms": now_ms })).await?;
        for holding in &HOLDINGS {
            if let Some((condition, whose)) = person.condition(holding.whose) {
                self.write_table(bundle, &snapshot, holding, &condition, whose).await?;
            }
        }
        bundle.end().await
    }

    async fn write_table(
        &self,
        bundle: &mut Bundle,
        snapshot: &DatabaseTransaction,
        holding: &Holding,
        condition: &str,
        whose: Vec<Parameter>,
    ) -> Result<(), StoreError> {
        let mut last = Vec::new();
        loop {
            let query = page_query(holding, condition, whose.len(), !last.is_empty());
            let values = whose.iter().cloned().chain(last);
            let rows = sql::rows(snapshot, READING, &query, values).await?;
            let Some(newest) = rows.last() else { return Ok(()) };
            last = key(holding, newest)?;
            if holding.table == "object" {
                self.write_objects(bundle, holding, &rows).await?;
                continue;
            }
            for row in &rows {
                bundle.row(holding, members(holding, row)?).await?;
            }
        }
    }

    /// Each object with its sealed record, as far as it was not purged.
    async fn write_objects(
        &self,
        bundle: &mut Bundle,
        holding: &Holding,
        rows: &[QueryResult],
    ) -> Result<(), StoreError> {
        const SEGMENT: usize = 5;
        let mut sealed: HashMap<Place, Map<String, Value>> = HashMap::new();
        for row in rows {
            let members = members(holding, row)?;
            if row.column::<Option<i64>>(SEGMENT)?.is_some() {
                sealed.insert(Place::from_columns(row, SEGMENT)?, members);
            } else {
                bundle.row(holding, members).await?;
            }
        }
        let mut places: Vec<Place> = sealed.keys().copied().collect();
        places.sort_unstable();
        let mut rest = places.as_slice();
        while !rest.is_empty() {
            let records = self.next_records(rest).await?;
            rest = &rest[records.len()..];
            for (place, record) in records {
                let mut members = sealed.remove(&place).unwrap_or_default();
                members.insert("record".to_owned(), BASE64URL_NOPAD.encode(&record).into());
                bundle.row(holding, members).await?;
            }
        }
        Ok(())
    }
}

/// A file that is being written.
struct Bundle {
    upload: WriteMultipart,
    hash: Sha256,
    lines: u64,
    bytes: u64,
}

impl Bundle {
    fn new(upload: WriteMultipart) -> Self {
        Self { upload, hash: Sha256::new(), lines: 0, bytes: 0 }
    }

    async fn row(&mut self, holding: &Holding, members: Map<String, Value>) -> Result<(), StoreError> {
        self.line(&json!({ "table": holding.table, "row": members })).await
    }

    async fn line(&mut self, value: &Value) -> Result<(), StoreError> {
        let mut text = value.to_string();
        text.push('\n');
        self.hash.update(&text);
        self.lines += 1;
        self.bytes += text.len() as u64;
        let room = self.upload.wait_for_capacity(PARTS_UNDER_WAY).await;
        room.map_err(StoreError::blobs("writing a download"))?;
        self.upload.put(Bytes::from(text));
        Ok(())
    }

    /// How many lines came before, and the hash of them all: without it, it is cut short.
    async fn end(&mut self) -> Result<(), StoreError> {
        let sha256 = HEXLOWER.encode(&self.hash.clone().finalize());
        self.line(&json!({ "end": { "lines": self.lines, "sha256": sha256 } })).await
    }
}

/// Whose rows are looked for.
struct Person {
    account_id: AccountId,
    email: String,
    pseudonyms: Pseudonyms,
}

impl Person {
    async fn read(snapshot: &DatabaseTransaction, account_id: AccountId) -> Result<Self, StoreError> {
        const SELECT: &str = "SELECT email, pseudonym_key FROM account WHERE account_id = $1";
        let row = sql::row(snapshot, READING, SELECT, [sql::id(account_id)]).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        let pseudonyms = Pseudonyms::from_column(account_id, row.column(1)?);
        Ok(Self { account_id, email: row.column(0)?, pseudonyms })
    }

    /// What is true of this person's rows, and the values in it; `None` where rows are about nobody.
    fn condition(&self, whose: Whose) -> Option<(String, Vec<Parameter>)> {
        let id = || sql::id(self.account_id);
        let email = || Parameter::from(self.email.clone());
        Some(match whose {
            Whose::Account => ("account_id = $1".to_owned(), vec![id()]),
            Whose::Vault => {
                let within = "vault_number IN (SELECT vault_number FROM vault WHERE account_id = $1)";
                (within.to_owned(), vec![id()])
            }
            Whose::Session => {
                let within = "session_id IN (SELECT session_id FROM session WHERE account_id = $1)";
                (within.to_owned(), vec![id()])
            }
            Whose::Pseudonym(column) => {
                let pseudonym = self.pseudonyms.account().as_bytes().to_vec();
                (format!("{column} = $1"), vec![pseudonym.into()])
            }
            Whose::Address(column) => (format!("{column} = $1"), vec![email()]),
            Whose::AccountOrAddress(column) => {
                (format!("(account_id = $1 OR {column} = $2)"), vec![id(), email()])
            }
            Whose::NoOne => return None,
        })
    }
}

/// The next rows behind a key, in the order of the key.
fn page_query(holding: &Holding, condition: &str, values: usize, behind: bool) -> String {
    let names: Vec<&str> = holding.columns.iter().map(|(name, _)| *name).collect();
    let key = names[..holding.key_columns].join(", ");
    let behind = if behind {
        format!(" AND ({key}) > ({})", sql::placeholders(values + 1, holding.key_columns))
    } else {
        String::new()
    };
    let has_bodies = holding.columns.iter().any(|(_, given)| *given == Given::Told(Form::Base64));
    let most = if has_bodies { PAGE_BODIES } else { PAGE_ROWS };
    let (columns, table) = (names.join(", "), holding.table);
    format!("SELECT {columns} FROM {table} WHERE {condition}{behind} ORDER BY {key} LIMIT {most}")
}

/// The key of a row, to go on behind it.
fn key(holding: &Holding, row: &QueryResult) -> Result<Vec<Parameter>, StoreError> {
    let value = |(index, (_, given)): (usize, &(&str, Given))| {
        Ok(match given {
            Given::Told(Form::Number) => row.column::<i64>(index)?.into(),
            Given::Told(Form::Text) => row.column::<String>(index)?.into(),
            Given::Told(Form::Hex | Form::Base64) | Given::Withheld(_) => {
                row.column::<Vec<u8>>(index)?.into()
            }
        })
    };
    holding.columns[..holding.key_columns].iter().enumerate().map(value).collect()
}

/// What of a row is told.
fn members(holding: &Holding, row: &QueryResult) -> Result<Map<String, Value>, StoreError> {
    let mut members = Map::new();
    for (index, (name, given)) in holding.columns.iter().enumerate() {
        if let Given::Told(form) = given {
            members.insert((*name).to_owned(), value(*form, row, index)?);
        }
    }
    Ok(members)
}

fn value(form: Form, row: &QueryResult, index: usize) -> Result<Value, StoreError> {
    let bytes = || row.column::<Option<Vec<u8>>>(index);
    Ok(match form {
        Form::Hex => bytes()?.map(|bytes| HEXLOWER.encode(&bytes)).into(),
        Form::Base64 => bytes()?.map(|bytes| BASE64URL_NOPAD.encode(&bytes)).into(),
        Form::Number => row.column::<Option<i64>>(index)?.into(),
        Form::Text => row.column::<Option<String>>(index)?.into(),
    })
}
