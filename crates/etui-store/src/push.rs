//! A commit onto its vault's head.

use std::{collections::BTreeSet, sync::Arc};

use etui_api::sync::Pushed;
use etui_chain::{AccountId, Commit, Head, Leaf, Ledger, LiveSet, ObjectId, State, VaultId};

use crate::{
    Authority, CommitUpload, Store, StoreError, accept,
    growth::Growth,
    plan::{HeldVault, Plan},
    sql::{self, Columns as _},
    state::read_state,
    store::compute,
};

/// From so many changes on, a push is checked where it holds nobody up.
const LONG_PUSH_CHANGES: usize = 64;
/// So many commits behind, a ledger in memory is moved rather than read anew.
const MAX_BEHIND: u64 = 32;
/// Rows read at a time.
const PAGE_ROWS: u64 = 2048;

impl Store {
    /// Takes a commit with its records. A commit that is held already is answered as when it was taken, so a push may
    /// be repeated.
    ///
    /// # Errors
    /// `NotFound` for a vault that the account never had; `HeadMoved`, `StateMoved` if the commit builds on another
    /// commit or state than the newest; `Refused`; `PlanLimit` if there would be more entries than before and than the plan
    /// has; `StorageFull`.
    pub async fn push(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        upload: CommitUpload,
    ) -> Result<Pushed, StoreError> {
        let account_id = authority.account_id();
        let pushed = Head { seq: upload.commit.seq, hash: upload.commit.hash() };
        let result = match self.take_commit(authority, vault_id, upload).await {
            Err(StoreError::HeadMoved(_)) if self.holds_commit(account_id, vault_id, &pushed).await? => {
                Ok(Pushed { head: pushed })
            }
            result => result.map(|()| Pushed { head: pushed }),
        };
        self.inner().metrics.pushed(&result);
        result
    }

    async fn take_commit(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        upload: CommitUpload,
    ) -> Result<(), StoreError> {
        let account_id = authority.account_id();
        let (held, state) = self.held_vault_and_state(account_id, vault_id).await?;
        let commit = &upload.commit;
        if commit.vault_id == vault_id && commit.prev_hash != held.head.hash {
            return Err(StoreError::HeadMoved(held.head));
        }
        if commit.state_hash != state.hash() && state.vault(&vault_id).is_some() {
            return Err(StoreError::StateMoved);
        }
        let ledger = self.ledger(&held, &state).await?;
        let base_state = state.hash();
        let growth = Growth::of_commit(&state, commit);
        let long = commit.changes.len() >= LONG_PUSH_CHANGES;
        let vault = compute(long, move || accept::commit(&ledger, Some(held), &state, upload));
        let plan = Plan {
            base_state,
            states: Vec::new(),
            named_records: Vec::new(),
            removed_devices: Vec::new(),
            ends_others: None,
            vaults: vec![vault.await?],
            unmoved: Vec::new(),
            growth,
        };
        self.carry_out(authority, plan).await
    }

    async fn holds_commit(
        &self,
        account_id: AccountId,
        vault_id: VaultId,
        head: &Head,
    ) -> Result<bool, StoreError> {
        const SELECT: &str = "SELECT 1 FROM vault v JOIN vault_commit c ON c.vault_number = v.vault_number \
             WHERE v.account_id = $1 AND v.vault_id = $2 AND c.seq = $3 AND c.commit_hash = $4";
        let values = [sql::id(account_id), sql::id(vault_id), sql::number(head.seq), sql::digest(&head.hash)];
        Ok(sql::row(self.database(), "looking a commit up", SELECT, values).await?.is_some())
    }

    async fn held_vault_and_state(
        &self,
        account_id: AccountId,
        vault_id: VaultId,
    ) -> Result<(HeldVault, State), StoreError> {
        const SELECT: &str = "SELECT v.vault_number, v.vault_id, v.head_seq, v.head_hash, s.body FROM vault v \
             JOIN account a ON a.account_id = v.account_id \
             JOIN account_state s ON s.account_id = a.account_id AND s.version = a.state_version \
             WHERE v.account_id = $1 AND v.vault_id = $2";
        let values = [sql::id(account_id), sql::id(vault_id)];
        let row = sql::row(self.database(), "reading a vault's head", SELECT, values).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        Ok((HeldVault::from_row(&row)?, read_state(&row, 4)?))
    }

    /// The ledger at a vault's head: from memory, or read and verified. `state` is the account's newest.
    ///
    /// # Errors
    /// `HeadMoved` if the head is another one by now.
    pub(crate) async fn ledger(&self, held: &HeldVault, state: &State) -> Result<Arc<Ledger>, StoreError> {
        let ledgers = &self.inner().ledgers;
        if let Some(ledger) = ledgers.get(&held.head.hash) {
            return Ok(ledger);
        }
        if let Some(ledger) = self.caught_up(held, state).await? {
            return Ok(ledger);
        }
        let commit = self.commit_at(held.number, held.head.seq).await?;
        let (leaves, purged) = self.objects(held.number).await?;
        let head_now = self.head_of(held.number).await?;
        if head_now != held.head {
            return Err(StoreError::HeadMoved(head_now));
        }
        let ledger = compute(leaves.len() >= LONG_PUSH_CHANGES, move || {
            LiveSet::from_leaves(leaves).and_then(|live| Ledger::at(&commit, live, purged))
        });
        let ledger =
            ledger.await.map_err(|_| StoreError::Damaged { found: "objects that no commit signed" })?;
        let ledger = Arc::new(ledger);
        ledgers.keep(&held.head.hash, Arc::clone(&ledger));
        Ok(ledger)
    }

    /// An older ledger in memory, moved by the few commits that another node has taken since. `None` if there is none, or
    /// if it does not lead there: then everything is read.
    async fn caught_up(&self, held: &HeldVault, state: &State) -> Result<Option<Arc<Ledger>>, StoreError> {
        const SELECT: &str =
            "SELECT body FROM vault_commit WHERE vault_number = $1 AND seq > $2 AND seq <= $3 ORDER BY seq";
        let ledgers = &self.inner().ledgers;
        let Some(older) = ledgers.before(held.vault_id, held.head.seq, MAX_BEHIND) else { return Ok(None) };
        let values = [held.number, older.head().seq, held.head.seq].map(sql::number);
        let rows = sql::rows(self.database(), "reading another node's commits", SELECT, values).await?;
        let bodies = rows.iter().map(|row| row.column(0)).collect::<Result<Vec<Vec<u8>>, _>>()?;
        let (state, from) = (state.clone(), Arc::clone(&older));
        let moved = compute(true, move || {
            bodies
                .iter()
                .try_fold(Ledger::clone(&from), |ledger, body| ledger.advance(&Commit::parse(body)?, &state))
        });
        let Some(ledger) = moved.await.ok().filter(|ledger| ledger.head() == held.head) else {
            return Ok(None);
        };
        let ledger = Arc::new(ledger);
        ledgers.keep(&older.head().hash, Arc::clone(&ledger));
        Ok(Some(ledger))
    }

    pub(crate) async fn commit_at(&self, vault_number: u64, seq: u64) -> Result<Commit, StoreError> {
        const SELECT: &str = "SELECT body FROM vault_commit WHERE vault_number = $1 AND seq = $2";
        const DAMAGED: StoreError = StoreError::Damaged { found: "a stored commit that cannot be read" };
        let values = [sql::number(vault_number), sql::number(seq)];
        let row = sql::row(self.database(), "reading a commit", SELECT, values).await?;
        let body: Vec<u8> = row.ok_or(DAMAGED)?.column(0)?;
        Commit::parse(&body).map_err(|_| DAMAGED)
    }

    async fn objects(&self, vault_number: u64) -> Result<(Vec<Leaf>, BTreeSet<ObjectId>), StoreError> {
        let query = format!(
            "SELECT object_id, version, record_hash, segment_number IS NULL FROM object \
             WHERE vault_number = $1 AND object_id > $2 ORDER BY object_id LIMIT {PAGE_ROWS}"
        );
        let mut leaves = Vec::new();
        let mut purged = BTreeSet::new();
        let mut last = vec![0_u8; 16];
        loop {
            let values = [sql::number(vault_number), last.into()];
            let rows = sql::rows(self.database(), "reading a vault's objects", &query, values).await?;
            let Some(last_row) = rows.last() else { return Ok((leaves, purged)) };
            last = last_row.column(0)?;
            for row in &rows {
                let object_id = row.id(0)?;
                if row.column::<bool>(3)? {
                    purged.insert(object_id);
                } else {
                    leaves.push(Leaf { object_id, version: row.number(1)?, record_hash: row.digest(2)? });
                }
            }
        }
    }

    pub(crate) async fn head_of(&self, vault_number: u64) -> Result<Head, StoreError> {
        const SELECT: &str = "SELECT head_seq, head_hash FROM vault WHERE vault_number = $1";
        let row =
            sql::row(self.database(), "reading a vault's head", SELECT, [sql::number(vault_number)]).await?;
        let row = row.ok_or(StoreError::NotFound)?;
        Ok(Head { seq: row.number(0)?, hash: row.digest(1)? })
    }
}
