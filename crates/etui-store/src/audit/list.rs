//! Reading the log, newest first.

use std::collections::HashMap;

use etui_chain::DeviceId;
use sea_orm::{QueryResult, Value};

use super::Pseudonym;
use crate::{
    Administrator, Authority, Store, StoreError,
    audit::Pseudonyms,
    sql::{self, Columns as _},
};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its place in the log: later ones have larger numbers.
    pub number: u64,
    /// When, in ms since 1970.
    pub time_ms: u64,
    /// Whose account.
    pub account: Pseudonym,
    /// Who did it, a name of [`crate::Actor`].
    pub actor: String,
    /// By what name: the device that a holder did it with, the account of an administrator; of nobody else.
    pub actor_id: Option<Pseudonym>,
    /// What, a name of [`crate::Action`].
    pub action: String,
    /// To what.
    pub object: Option<Pseudonym>,
    /// What came of it, a name of [`crate::Outcome`].
    pub outcome: String,
}

/// Which events are read.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Only those before this one.
    pub before: Option<u64>,
    /// At most so many.
    pub most: u64,
}

impl Store {
    /// Events of the account that asks, newest first.
    ///
    /// # Errors
    /// `Database`.
    pub async fn events(&self, authority: &Authority, page: Page) -> Result<Vec<AuditEvent>, StoreError> {
        self.list_events(Some(authority.pseudonyms().account()), page).await
    }

    /// Events of one account or of all, newest first.
    ///
    /// # Errors
    /// `Database`.
    pub async fn events_of_all(
        &self,
        _administrator: &Administrator,
        account: Option<Pseudonym>,
        page: Page,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.list_events(account, page).await
    }

    /// By which name the log has the account of a normalised address.
    ///
    /// # Errors
    /// `Database`.
    pub async fn pseudonym_of(
        &self,
        _administrator: &Administrator,
        email: &str,
    ) -> Result<Option<Pseudonym>, StoreError> {
        const SELECT: &str = "SELECT account_id, pseudonym_key FROM account WHERE email = $1";
        let row = sql::row(self.database(), "looking an address up", SELECT, [email.into()]).await?;
        row.map(|row| Ok(Pseudonyms::from_column(row.id(0)?, row.column(1)?).account())).transpose()
    }

    /// The devices of the account by their pseudonyms, those that its state lists and those that have signed in: for its holder,
    /// who may know them.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn device_names(
        &self,
        authority: &Authority,
    ) -> Result<HashMap<Pseudonym, DeviceId>, StoreError> {
        const SELECT: &str = "SELECT device_id FROM known_device WHERE account_id = $1";
        let values = [sql::id(authority.account_id())];
        let rows = sql::rows(self.database(), "listing known devices", SELECT, values).await?;
        let state = self.newest_state(authority).await?;
        let named = |device_id: DeviceId| (authority.pseudonyms().of(device_id), device_id);
        let mut devices: HashMap<_, _> =
            state.devices.iter().map(|(device_id, _)| named(*device_id)).collect();
        for row in rows {
            devices.extend([named(row.id(0)?)]);
        }
        Ok(devices)
    }

    async fn list_events(
        &self,
        account: Option<Pseudonym>,
        page: Page,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        const COLUMNS: &str = "SELECT event_number, time_ms, account, actor, actor_id, action, object, outcome \
             FROM audit_event WHERE event_number < $1";
        let mut values =
            vec![page.before.map_or_else(|| i64::MAX.into(), sql::number), sql::number(page.most)];
        let mut whose = "";
        if let Some(account) = account {
            values.push(Value::from(account.as_bytes().to_vec()));
            whose = " AND account = $3";
        }
        let query = format!("{COLUMNS}{whose} ORDER BY event_number DESC LIMIT $2");
        let rows = sql::rows(self.database(), "reading events", &query, values).await?;
        rows.iter().map(event).collect()
    }
}

fn event(row: &QueryResult) -> Result<AuditEvent, StoreError> {
    Ok(AuditEvent {
        number: row.number(0)?,
        time_ms: row.number(1)?,
        account: pseudonym(row.column(2)?)?,
        actor: row.column(3)?,
        actor_id: row.column::<Option<Vec<u8>>>(4)?.map(pseudonym).transpose()?,
        action: row.column(5)?,
        object: row.column::<Option<Vec<u8>>>(6)?.map(pseudonym).transpose()?,
        outcome: row.column(7)?,
    })
}

fn pseudonym(bytes: Vec<u8>) -> Result<Pseudonym, StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged { found: "a pseudonym of another form in a row" };
    bytes.try_into().map(Pseudonym).map_err(|_| DAMAGED)
}
