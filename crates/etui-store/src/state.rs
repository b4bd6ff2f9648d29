//! The account's states: the newest, those after one, and the next.

use etui_api::{
    frame::Frame,
    limits::MAX_STATES_PER_ANSWER,
    sync::{StatePushed, StatesHeader, encode_header},
};
use etui_chain::{AccountId, Digest, KdfDescriptor, KeysetEntry, State};
use sea_orm::QueryResult;

use crate::{
    Authority, FrameStream, Notice, StateUpload, Store, StoreError, accept,
    plan::{EndsOthers, HeldVault, Plan},
    pull::Answer,
    sql::{self, Columns as _},
    store::compute,
};

impl Store {
    /// The newest state.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn newest_state(&self, authority: &Authority) -> Result<State, StoreError> {
        self.newest_state_of(authority.account_id()).await
    }

    /// The answer to `GET /v1/states`, from its header to its end: the states after the one given, each behind the
    /// records that it brings and the newest still names; or the newest alone behind all that it names.
    ///
    /// # Errors
    /// `NotFound` if the account is gone; the stream may fail later.
    pub async fn states_after(
        &self,
        authority: &Authority,
        after: Option<u64>,
    ) -> Result<FrameStream, StoreError> {
        let account_id = authority.account_id();
        let (newest, mut named) = self.newest_with_named(account_id).await?;
        let header = Frame::Header(encode_header(&StatesHeader { newest: newest.version }));
        let mut frames = vec![header];
        let last = match after {
            None => {
                frames.extend(named.drain(..).map(|(_, body)| Frame::NamedRecord(body)));
                frames.push(Frame::State(newest.as_bytes().to_vec()));
                newest.version
            }
            Some(version) => version,
        };
        let until = last.saturating_add(MAX_STATES_PER_ANSWER as u64).min(newest.version);
        Ok(Answer::states(self, account_id, &frames, named, last, until).into_stream())
    }

    /// Takes a state with what it brings. One that changes how the account is unlocked (the key derivation, a keyset) ends all
    /// other sessions, and the holder is told of it by the letter. A state that is held already is answered as when it was taken.
    ///
    /// # Errors
    /// `StateMoved` if it builds on another state or names another head of a vault; `Refused`; `PlanLimit` if there would be
    /// more devices, vaults or entries than before and than the plan has; `StorageFull`.
    pub async fn push_state(
        &self,
        authority: &Authority,
        upload: StateUpload,
        notice: Option<Notice>,
        now_ms: u64,
    ) -> Result<StatePushed, StoreError> {
        let account_id = authority.account_id();
        let pushed = StatePushed { version: upload.state.version, hash: upload.state.hash() };
        match self.take_state(authority, upload, notice, now_ms).await {
            Err(StoreError::StateMoved) if self.holds_state(account_id, &pushed).await? => Ok(pushed),
            result => result.map(|()| pushed),
        }
    }

    async fn take_state(
        &self,
        authority: &Authority,
        upload: StateUpload,
        notice: Option<Notice>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let account_id = authority.account_id();
        let newest = self.newest_state_of(account_id).await?;
        let held = self.held_vaults(account_id).await?;
        let keys = Keys::of(&newest);
        let mut plan = compute(true, move || accept::next_state(upload, &newest, &held)).await?;
        plan.ends_others = keys.end_others(authority, &plan, notice, now_ms);
        self.carry_out(authority, plan).await
    }

    async fn holds_state(&self, account_id: AccountId, pushed: &StatePushed) -> Result<bool, StoreError> {
        const SELECT: &str =
            "SELECT 1 FROM account_state WHERE account_id = $1 AND version = $2 AND state_hash = $3";
        let values = [sql::id(account_id), sql::number(pushed.version), sql::digest(&pushed.hash)];
        Ok(sql::row(self.database(), "looking a state up", SELECT, values).await?.is_some())
    }

    pub(crate) async fn newest_state_of(&self, account_id: AccountId) -> Result<State, StoreError> {
        const SELECT: &str = "SELECT s.body FROM account a JOIN account_state s \
             ON s.account_id = a.account_id AND s.version = a.state_version WHERE a.account_id = $1";
        let row =
            sql::row(self.database(), "reading the newest state", SELECT, [sql::id(account_id)]).await?;
        read_state(&row.ok_or(StoreError::NotFound)?, 0)
    }

    /// Every vault of the account, listed or not.
    pub(crate) async fn held_vaults(&self, account_id: AccountId) -> Result<Vec<HeldVault>, StoreError> {
        const SELECT: &str =
            "SELECT vault_number, vault_id, head_seq, head_hash FROM vault WHERE account_id = $1";
        let rows = sql::rows(self.database(), "listing vaults", SELECT, [sql::id(account_id)]).await?;
        rows.iter().map(HeldVault::from_row).collect()
    }

    /// Read until no other state came between the two statements.
    async fn newest_with_named(
        &self,
        account_id: AccountId,
    ) -> Result<(State, Vec<(u64, Vec<u8>)>), StoreError> {
        loop {
            let state = self.newest_state_of(account_id).await?;
            let named = self.named_records(account_id).await?;
            if self.newest_state_hash(account_id).await? == state.hash() {
                return Ok((state, named));
            }
        }
    }

    /// With the version of the state that brought each, ascending.
    async fn named_records(&self, account_id: AccountId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        const SELECT: &str = "SELECT first_version, body FROM named_record WHERE account_id = $1 \
             ORDER BY first_version, record_hash";
        let rows = sql::rows(self.database(), "reading named records", SELECT, [sql::id(account_id)]).await?;
        rows.iter().map(|row| Ok((row.number(0)?, row.column(1)?))).collect()
    }

    async fn newest_state_hash(&self, account_id: AccountId) -> Result<Digest, StoreError> {
        const SELECT: &str = "SELECT state_hash FROM account WHERE account_id = $1";
        let row =
            sql::row(self.database(), "reading the newest state", SELECT, [sql::id(account_id)]).await?;
        row.ok_or(StoreError::NotFound)?.digest(0)
    }
}

/// How an account is unlocked, before something changes.
pub(crate) struct Keys {
    kdf: KdfDescriptor,
    keysets: Vec<KeysetEntry>,
}

impl Keys {
    pub(crate) fn of(state: &State) -> Self {
        Self { kdf: state.kdf, keysets: state.keysets.clone() }
    }

    /// Whoever knows only how the account was unlocked before does not stay signed in.
    pub(crate) fn end_others(
        &self,
        authority: &Authority,
        plan: &Plan,
        notice: Option<Notice>,
        now_ms: u64,
    ) -> Option<EndsOthers> {
        let newest = plan.states.last()?;
        let changed = newest.kdf != self.kdf || newest.keysets != self.keysets;
        changed.then(|| EndsOthers { authority: authority.clone(), notice, now_ms })
    }
}

impl HeldVault {
    /// From the columns `vault_number, vault_id, head_seq, head_hash`.
    pub(crate) fn from_row(row: &QueryResult) -> Result<Self, StoreError> {
        let head = etui_chain::Head { seq: row.number(2)?, hash: row.digest(3)? };
        Ok(Self { number: row.number(0)?, vault_id: row.id(1)?, head })
    }
}

/// A state in a column of a row.
pub(crate) fn read_state(row: &QueryResult, column: usize) -> Result<State, StoreError> {
    let body: Vec<u8> = row.column(column)?;
    State::parse(&body).map_err(|_| StoreError::Damaged { found: "a stored state that cannot be read" })
}
