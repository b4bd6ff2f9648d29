//! Exchanging with the server. Nothing is borrowed over the network, so that reading goes on meanwhile.

use std::time::Duration;

use etui_api::ErrorCode;
use etui_chain::{Refusal, VaultId};
use etui_sync::{EngineError, Notice, Pull, StateChange, push_frames, state_frames};

use super::{
    Device, Inner, SyncFailure, SyncOutcome,
    plan::{self, Room},
};
use crate::{ClientError, SecondFactor, Way, evidence::Evidence, now_ms, store::key, unlock};

/// How often an exchange starts over because other devices were quicker.
const MAX_ROUNDS: usize = 20;
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// What an exchange did.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// Commits taken in.
    pub pulled: usize,
    /// Changes sent.
    pub pushed: usize,
    /// What a person should be told.
    pub notices: Vec<String>,
}

/// An exchange in progress: what it did, and the answer that is being looked at.
#[derive(Default)]
pub(super) struct Exchange {
    report: SyncReport,
    pub(super) evidence: Evidence,
    room: Room,
}

impl Device {
    /// Pulls, merges and pushes until nothing is left to do. What the server sends is verified first; what does not
    /// verify is refused and changes nothing.
    ///
    /// # Errors
    /// [`ClientError::Offline`], [`ClientError::SignedOut`], or the name by which the server's data was refused.
    pub async fn sync(&self) -> Result<SyncReport, ClientError> {
        let _one_at_a_time = self.syncing.lock().await;
        let mut exchange = Exchange::default();
        let result = self.exchange(&mut exchange).await.and_then(|()| self.refuse_if_not_listed());
        let result = result.and_then(|()| self.refuse_if_over_plan(&exchange.room));
        self.remember(&result);
        self.put_aside_if_refused(&result, &exchange.evidence);
        result.map(|()| exchange.report)
    }

    /// Follows the server's news until dropped: syncs at once and whenever the server says that there is something,
    /// fetches what this device lacks of the account's history meanwhile, and keeps trying, with growing delays, while
    /// the server cannot be reached. News that have fallen silent are asked for anew.
    pub async fn watch(&self) {
        let first_delay = self.api.patience().pause;
        let mut delay = first_delay;
        loop {
            if self.sync_as_far_as_it_goes().await.is_ok() {
                // What became of the history is noted by itself; the present does not wait for the past.
                let (_, followed) = futures_util::join!(self.fetch_history(), self.follow());
                if followed.is_ok() {
                    delay = first_delay;
                }
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// A fresh session for this device.
    pub(crate) async fn begin_session(
        &self,
        way: &Way,
        email: &str,
        second_factor: Option<&SecondFactor>,
    ) -> Result<(), ClientError> {
        let device_id = self.inner.borrow().engine.device_id();
        way.sign_in(&self.api, email, device_id, second_factor).await?;
        self.save_session()
    }

    /// Signs the account's state with a change, over and over on the newest state, until the server has taken it.
    pub(super) async fn change_state(
        &self,
        change: impl Fn(&Inner) -> Result<StateChange, ClientError>,
    ) -> Result<(), ClientError> {
        let _one_at_a_time = self.syncing.lock().await;
        let mut exchange = Exchange::default();
        let result = self.change_state_in(&mut exchange, change).await;
        self.put_aside_if_refused(&result, &exchange.evidence);
        result
    }

    async fn change_state_in(
        &self,
        exchange: &mut Exchange,
        change: impl Fn(&Inner) -> Result<StateChange, ClientError>,
    ) -> Result<(), ClientError> {
        for _ in 0..MAX_ROUNDS {
            self.exchange(exchange).await?;
            let in_flight = {
                let mut inner = self.inner.borrow_mut();
                let change = change(&inner)?;
                let prepared = inner.engine.prepare_state(&change, inner.keys.keyset.identity(), now_ms());
                match prepared {
                    Err(EngineError::Busy) => continue,
                    prepared => inner.take(prepared?)?,
                };
                inner.engine.state_in_flight().cloned().ok_or(ClientError::Contended)?
            };
            self.refresh_ways_in()?;
            if self.send_state(state_frames(&in_flight), &mut exchange.evidence).await? {
                return Ok(());
            }
        }
        Err(ClientError::Contended)
    }

    pub(super) async fn exchange(&self, exchange: &mut Exchange) -> Result<(), ClientError> {
        self.ask_for_room(&mut exchange.room).await?;
        for _ in 0..MAX_ROUNDS {
            self.pull_states(&mut exchange.evidence).await?;
            let vaults: Vec<VaultId> = {
                let inner = self.inner.borrow();
                inner.engine.state().vaults.iter().map(|vault| vault.id).collect()
            };
            for vault_id in &vaults {
                self.pull(*vault_id, exchange).await?;
            }
            if self.flush_state(&mut exchange.evidence).await? && self.flush(&vaults, exchange).await? {
                return Ok(());
            }
        }
        Err(ClientError::Contended)
    }

    /// A device that is listed no more sends nothing; to call that "up to date" would hide what waits for ever.
    fn refuse_if_not_listed(&self) -> Result<(), ClientError> {
        let inner = self.inner.borrow();
        let (engine, unsent) = (&inner.engine, inner.engine.unsent());
        match unsent {
            0 => Ok(()),
            _ if engine.is_device_listed() => Ok(()),
            _ if engine.was_device_listed() => Err(ClientError::Removed { unsent }),
            _ => Err(ClientError::NotListed { unsent }),
        }
    }

    async fn pull_states(&self, evidence: &mut Evidence) -> Result<(), ClientError> {
        let state = self.inner.borrow().engine.state().clone();
        let frames = self.api.states_after(&state, evidence).await;
        self.save_session()?;
        let frames = frames?;
        if frames.states.is_empty() && frames.named_records.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner.borrow_mut();
        let step = inner.engine.accept_states(frames)?;
        inner.take(step)?;
        inner.keys.vault_keys = unlock::vault_keys(&inner.engine, &inner.keys.keyset, &inner.store)?;
        drop(inner);
        self.refresh_ways_in()
    }

    async fn pull(&self, vault_id: VaultId, exchange: &mut Exchange) -> Result<(), ClientError> {
        let head = self.inner.borrow().engine.head(&vault_id);
        if head.seq == 0 {
            let snapshot = self.api.snapshot(vault_id, &mut exchange.evidence).await?;
            let mut inner = self.inner.borrow_mut();
            let step = inner.engine.accept_snapshot(vault_id, snapshot)?;
            inner.take(step)?;
            return Ok(());
        }
        let pull = self.api.changes(vault_id, head.seq, &mut exchange.evidence).await?;
        let commits = pull.commits.len();
        match self.accept(vault_id, pull, &mut exchange.report) {
            // A state that came after ours may be what is missing: once more, then it is final.
            Err(ClientError::Refused { refused }) if refused.refusal == Refusal::Missing => {
                self.pull_states(&mut exchange.evidence).await?;
                let head = self.inner.borrow().engine.head(&vault_id);
                let pull = self.api.changes(vault_id, head.seq, &mut exchange.evidence).await?;
                self.accept(vault_id, pull, &mut exchange.report)?;
            }
            other => other?,
        }
        exchange.report.pulled += commits;
        Ok(())
    }

    fn accept(&self, vault_id: VaultId, pull: Pull, report: &mut SyncReport) -> Result<(), ClientError> {
        let mut inner = self.inner.borrow_mut();
        let engine = inner.engine.clone();
        let step = inner.with_context(|context| engine.accept_pull(vault_id, pull, context))?;
        let notices = inner.take(step)?;
        report.notices.extend(notices.into_iter().map(|notice| inner.told(notice)));
        Ok(())
    }

    /// Sends a state left over from before; whether the round may go on.
    async fn flush_state(&self, evidence: &mut Evidence) -> Result<bool, ClientError> {
        let in_flight = self.inner.borrow().engine.state_in_flight().cloned();
        match in_flight {
            Some(in_flight) => match self.send_state(state_frames(&in_flight), evidence).await {
                // Whoever waited for it is not there any more, and it is taken back.
                Err(error) if plan::limit_of(&error).is_some() => Ok(false),
                sent => sent,
            },
            None => Ok(true),
        }
    }

    async fn send_state(&self, body: Vec<u8>, evidence: &mut Evidence) -> Result<bool, ClientError> {
        match self.api.push_state(body, evidence).await {
            Ok(pushed) => {
                let mut inner = self.inner.borrow_mut();
                let step = inner.engine.confirm_state(pushed.hash)?;
                inner.take(step)?;
                inner.keys.vault_keys = unlock::vault_keys(&inner.engine, &inner.keys.keyset, &inner.store)?;
                drop(inner);
                self.refresh_ways_in()?;
                Ok(true)
            }
            Err(error) if has_moved(&error) => Ok(false),
            Err(error) => {
                if plan::limit_of(&error).is_some() {
                    // It would keep everything else back for ever.
                    let mut inner = self.inner.borrow_mut();
                    let step = inner.engine.withdraw_state();
                    inner.take(step)?;
                }
                Err(error)
            }
        }
    }

    /// Sends what waits; whether everything has arrived.
    async fn flush(&self, vaults: &[VaultId], exchange: &mut Exchange) -> Result<bool, ClientError> {
        for vault_id in vaults {
            while let Some(body) = self.next_push(*vault_id, &exchange.room)? {
                match self.api.push(*vault_id, body, &mut exchange.evidence).await {
                    Ok(pushed) => {
                        let mut inner = self.inner.borrow_mut();
                        if let Some(sent) = inner.engine.in_flight(vault_id) {
                            exchange.report.pushed += sent.changes.len();
                            exchange.room.use_up(sent.added());
                        }
                        let step = inner.engine.confirm_push(*vault_id, pushed.head)?;
                        inner.take(step)?;
                    }
                    Err(error) if has_moved(&error) => return Ok(false),
                    Err(error) => {
                        let limit = plan::limit_of(&error).ok_or(error)?;
                        self.take_back(*vault_id, &limit, &mut exchange.room)?;
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The commit on its way, or a new one over what waits.
    fn next_push(&self, vault_id: VaultId, room: &Room) -> Result<Option<Vec<u8>>, ClientError> {
        let mut inner = self.inner.borrow_mut();
        if inner.engine.in_flight(&vault_id).is_none() {
            let engine = inner.engine.clone();
            if let Some(step) =
                inner.with_context(|context| engine.prepare_push(vault_id, room.entries(), context))?
            {
                inner.take(step)?;
            }
        }
        Ok(inner.engine.in_flight(&vault_id).map(|in_flight| push_frames(in_flight)))
    }

    async fn follow(&self) -> Result<(), ClientError> {
        let mut news = self.api.news().await?;
        while news.next().await {
            self.sync_as_far_as_it_goes().await?;
        }
        Ok(())
    }

    /// Keeps the newest refresh token: an older one is worth nothing.
    pub(crate) fn save_session(&self) -> Result<(), ClientError> {
        let kept = self.api.kept().map(|kept| kept.to_bytes());
        let inner = self.inner.borrow();
        inner.store.set_value(key::SESSION, kept.as_ref().map(|kept| kept.as_slice()))
    }

    /// Keeps what was refused for a person to look at.
    pub(super) fn put_aside_if_refused<T>(&self, result: &Result<T, ClientError>, evidence: &Evidence) {
        // Of an answer that has nothing to do with the account's data nothing is kept: it may hold a token.
        if let Err(ClientError::Refused { refused }) = result
            && evidence.length_bytes() > 0
        {
            let inner = self.inner.borrow();
            // Not being able to keep it must not hide the refusal itself.
            let _ = inner.store.put_aside(now_ms(), refused.refusal.name(), refused.found, evidence);
        }
    }

    fn remember(&self, result: &Result<(), ClientError>) {
        let mut inner = self.inner.borrow_mut();
        let result = result.as_ref().copied().map_err(SyncFailure::from);
        inner.last_sync = Some(SyncOutcome { at_ms: now_ms(), result });
    }
}

impl Inner {
    pub(super) fn told(&self, notice: Notice) -> String {
        let title = |object_id| {
            self.index.get(object_id).map_or_else(|| object_id.to_string(), |found| found.title.clone())
        };
        match notice {
            Notice::Conflict(_, object_id) => {
                format!("“{}” was changed here and elsewhere; both values are kept", title(&object_id))
            }
            Notice::KeptAsNew(_, object_id) => {
                format!(
                    "“{}” could not be joined with the other change; yours is kept as an entry of its own",
                    title(&object_id)
                )
            }
            Notice::PurgeUndone(_, object_id) => {
                format!("“{}” was changed elsewhere while it was deleted here; it stays", title(&object_id))
            }
        }
    }
}

fn has_moved(error: &ClientError) -> bool {
    matches!(error, ClientError::Server(problem)
        if matches!(problem.code, ErrorCode::HeadMoved | ErrorCode::StateMoved))
}
