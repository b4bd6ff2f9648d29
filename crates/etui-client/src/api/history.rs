//! Asking for what came before: answers come in ascending order, and are verified from their newest part backwards.

use std::{collections::VecDeque, ops::ControlFlow};

use etui_api::{
    frame::Frame,
    limits::{
        MAX_COMMITS_ANSWER_BYTES, MAX_COMMITS_PER_ANSWER, MAX_STATES_ANSWER_BYTES, MAX_STATES_PER_ANSWER,
    },
};
use etui_chain::{Commit, State, VaultId};
use etui_sync::StateFrames;

use super::Api;
use crate::{ClientError, evidence::Evidence};

/// How much history is taken in at once; one commit may have 3.6 MiB.
const MAX_BYTES: usize = 8 << 20;

impl Api {
    /// States just before one of that version, with what comes with them: as many as one answer gives and as are
    /// taken in at once.
    pub(crate) async fn states_before(
        &self,
        version: u64,
        evidence: &mut Evidence,
    ) -> Result<StateFrames, ClientError> {
        let after = version.saturating_sub(1 + MAX_STATES_PER_ANSWER as u64);
        let path = format!("/v1/states?after={after}");
        let (mut newest, mut named_records) = (Newest::default(), Vec::new());
        self.each_frame(&path, "fetching older states", MAX_STATES_ANSWER_BYTES, evidence, |frame| {
            match frame {
                Frame::State(bytes) => {
                    let state = State::parse(&bytes)?;
                    if state.version >= version {
                        return Ok(ControlFlow::Break(()));
                    }
                    newest.push(state, bytes.len());
                }
                Frame::NamedRecord(bytes) => named_records.push(bytes),
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(StateFrames { states: newest.into_items(), named_records })
    }

    /// The commit of that place alone, if the server has one.
    pub(crate) async fn commit_at(
        &self,
        vault_id: VaultId,
        seq: u64,
        evidence: &mut Evidence,
    ) -> Result<Option<Commit>, ClientError> {
        let path = format!("/v1/vaults/{vault_id}/commits?after={}", seq.saturating_sub(1));
        let mut found = None;
        self.each_frame(&path, "fetching a change", MAX_COMMITS_ANSWER_BYTES, evidence, |frame| {
            if let Frame::Commit(bytes) = frame {
                found = Some(Commit::parse(&bytes)?);
            }
            Ok(ControlFlow::Break(()))
        })
        .await?;
        Ok(found.filter(|commit| commit.seq == seq))
    }

    /// Commits just before one of that place, without records: as many as one answer gives and as are taken in at once.
    pub(crate) async fn commits_before(
        &self,
        vault_id: VaultId,
        seq: u64,
        evidence: &mut Evidence,
    ) -> Result<Vec<Commit>, ClientError> {
        let after = seq.saturating_sub(1 + MAX_COMMITS_PER_ANSWER as u64);
        let path = format!("/v1/vaults/{vault_id}/commits?after={after}");
        let mut newest = Newest::default();
        self.each_frame(&path, "fetching older changes", MAX_COMMITS_ANSWER_BYTES, evidence, |frame| {
            if let Frame::Commit(bytes) = frame {
                let commit = Commit::parse(&bytes)?;
                if commit.seq >= seq {
                    return Ok(ControlFlow::Break(()));
                }
                newest.push(commit, bytes.len());
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(newest.into_items())
    }
}

/// The newest of what arrives in order, as far as it fits into memory: older ones are asked for again.
struct Newest<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Newest<T> {
    fn push(&mut self, item: T, length: usize) {
        self.items.push_back((item, length));
        self.bytes += length;
        while self.bytes > MAX_BYTES && self.items.len() > 1 {
            self.bytes -= self.items.pop_front().map_or(0, |(_, length)| length);
        }
    }

    fn into_items(self) -> Vec<T> {
        self.items.into_iter().map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_oldest() {
        let mut newest = Newest::default();
        (0..5).for_each(|number| newest.push(number, MAX_BYTES / 3));
        assert_eq!(newest.into_items(), [2, 3, 4]);
        let mut newest = Newest::default();
        (0..2).for_each(|number| newest.push(number, MAX_BYTES + 1));
        assert_eq!(newest.into_items(), [1], "one is always taken in");
    }
}
