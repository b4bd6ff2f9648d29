//! Giving a restored server back what it has lost, verbatim.

use std::collections::BTreeMap;

use etui_api::frame::{Frame, FrameWriter};
use etui_chain::{Commit, Head, Refusal, State, VaultId};
use etui_sync::{HEAL_PIECE_BYTES, HealPiece, HealPlan, Lost, heal_pieces};

use super::{Device, Inner, Progress};
use crate::{ClientError, evidence::Evidence};

/// What was brought back to a restored server.
#[derive(Debug, Default)]
pub struct HealReport {
    /// States.
    pub states: usize,
    /// Commits.
    pub commits: usize,
    /// Records.
    pub records: usize,
}

const OTHER_COMMIT: &str = "the server has taken another commit since it was restored";

/// Where a server stands.
struct Standing {
    state: State,
    heads: BTreeMap<VaultId, Head>,
}

/// What a server lacks.
struct Lacking {
    states: Vec<State>,
    commits: BTreeMap<VaultId, Vec<Commit>>,
}

impl Device {
    /// Brings back to a restored server what it has lost and this device still has, verbatim, in as many uploads as it
    /// takes. Each is taken whole or not at all, so that a broken-off healing is simply begun again.
    ///
    /// # Errors
    /// `fork` if the server has taken other changes since; [`ClientError::NoHistory`] if this device had no time yet to
    /// fetch what came before it joined; `limit` if it is too much; what the exchange gives.
    pub async fn heal(&self, progress: Progress<'_>) -> Result<HealReport, ClientError> {
        let _one_at_a_time = self.syncing.lock().await;
        let mut evidence = Evidence::default();
        let result = self.heal_with(&mut evidence, progress).await;
        self.put_aside_if_refused(&result, &evidence);
        result
    }

    async fn heal_with(
        &self,
        evidence: &mut Evidence,
        progress: Progress<'_>,
    ) -> Result<HealReport, ClientError> {
        let standing = self.standing(evidence).await?;
        let (lacking, pieces) = self.inner.borrow().pieces(&standing)?;
        let mut report = HealReport::default();
        for (done, piece) in pieces.iter().enumerate() {
            if let Some(progress) = progress {
                progress(done, pieces.len());
            }
            let body = self.inner.borrow().heal_frames(piece, &lacking)?;
            let healed = self.api.heal(body, evidence).await?;
            report.states += healed.states as usize;
            report.commits += healed.commits as usize;
            report.records += piece.records.len();
        }
        if let Some(progress) = progress {
            progress(pieces.len(), pieces.len());
        }
        Ok(report)
    }

    async fn standing(&self, evidence: &mut Evidence) -> Result<Standing, ClientError> {
        let newest = self.api.newest_state(evidence).await?.states.pop();
        let state = newest.ok_or(Refusal::Missing.because("the server has no state of this account"))?;
        let vaults: Vec<VaultId> = self.inner.borrow().engine.vault_ids().collect();
        let mut heads = BTreeMap::new();
        for vault_id in vaults {
            let server = self.api.head(vault_id, evidence).await?;
            self.check_ahead(vault_id, server, evidence).await?;
            heads.insert(vault_id, server);
        }
        Ok(Standing { state, heads })
    }

    /// A server that is ahead has lost nothing, if it is ahead on this device's branch.
    async fn check_ahead(
        &self,
        vault_id: VaultId,
        server: Head,
        evidence: &mut Evidence,
    ) -> Result<(), ClientError> {
        let ours = self.inner.borrow().engine.head(&vault_id);
        if server.seq <= ours.seq {
            return Ok(());
        }
        let commit = self.api.commit_at(vault_id, ours.seq, evidence).await?;
        if commit.is_some_and(|commit| commit.hash() == ours.hash) {
            Ok(())
        } else {
            Err(Refusal::Fork.because(OTHER_COMMIT).into())
        }
    }
}

impl Inner {
    fn pieces(&self, server: &Standing) -> Result<(Lacking, Vec<HealPiece>), ClientError> {
        let lacking = self.lacking(server)?;
        let held = self.store.record_lengths()?;
        let Lacking { states, commits } = &lacking;
        let lost = Lost { server_state: &server.state, states, commits, held: &held };
        let pieces = heal_pieces(&lost, HEAL_PIECE_BYTES)?;
        Ok((lacking, pieces))
    }

    fn lacking(&self, server: &Standing) -> Result<Lacking, ClientError> {
        let held: Vec<State> =
            self.store.states()?.iter().map(|bytes| State::parse(bytes)).collect::<Result<_, _>>()?;
        let at_server = held.iter().find(|state| state.version == server.state.version);
        if at_server.is_some_and(|state| state.hash() != server.state.hash()) {
            return Err(Refusal::Fork
                .because("the server has taken another state since it was restored")
                .into());
        }
        let states: Vec<State> =
            held.into_iter().filter(|state| state.version > server.state.version).collect();
        if states.first().is_some_and(|first| first.version != server.state.version + 1) {
            return Err(ClientError::NoHistory);
        }
        let commits = server
            .heads
            .iter()
            .map(|(vault_id, head)| Ok((*vault_id, self.lacking_commits(*vault_id, *head)?)));
        Ok(Lacking { states, commits: commits.collect::<Result<_, ClientError>>()? })
    }

    fn lacking_commits(&self, vault_id: VaultId, server: Head) -> Result<Vec<Commit>, ClientError> {
        let ours = self.engine.head(&vault_id);
        if server.seq == ours.seq && server.hash != ours.hash {
            return Err(Refusal::Fork.because(OTHER_COMMIT).into());
        }
        let commits: Vec<Commit> = self
            .store
            .commits_after(vault_id, server.seq)?
            .iter()
            .map(|bytes| Commit::parse(bytes))
            .collect::<Result<_, _>>()?;
        match commits.first() {
            Some(first) if first.seq != server.seq + 1 => Err(ClientError::NoHistory),
            Some(first) if first.prev_hash != server.hash => Err(Refusal::Fork.because(OTHER_COMMIT).into()),
            _ => Ok(commits),
        }
    }

    fn heal_frames(&self, piece: &HealPiece, lacking: &Lacking) -> Result<Vec<u8>, ClientError> {
        const MISSING: &str = "a verified record is not in the local store";
        let mut writer = FrameWriter::new();
        for step in &piece.steps {
            match step {
                HealPlan::State(version) => {
                    let state = lacking.states.iter().find(|state| state.version == *version);
                    writer.push(&Frame::State(state.map_or(&[][..], |state| state.as_bytes())));
                }
                HealPlan::Commit(vault_id, seq) => {
                    let commits = &lacking.commits[vault_id];
                    let found = commits.binary_search_by_key(seq, |commit| commit.seq);
                    writer.push(&Frame::Commit(found.map_or(&[][..], |index| commits[index].as_bytes())));
                }
            }
        }
        for hash in &piece.named_records {
            let record = self.store.named_record(hash)?.ok_or(Refusal::Missing.because(MISSING))?;
            writer.push(&Frame::NamedRecord(record));
        }
        for (vault_id, object_id) in &piece.records {
            let record =
                self.store.record(*vault_id, *object_id)?.ok_or(Refusal::Missing.because(MISSING))?;
            writer.push(&Frame::Record(record));
        }
        Ok(writer.finish())
    }
}
