//! Asking for the account's states.

use std::ops::ControlFlow;

use etui_api::{
    frame::Frame,
    limits::MAX_STATES_ANSWER_BYTES,
    sync::{StatesHeader, decode_header},
};
use etui_chain::{Refusal, Refused, State};
use etui_sync::StateFrames;

use super::{Api, BESIDE_FRAME_BYTES};
use crate::{ClientError, evidence::Evidence};

const NAMES_TOO_MUCH: Refused =
    Refusal::Limit.because("the server sends more beside the account's states than they can name");

impl Api {
    /// The newest state alone, with everything that it names.
    pub(crate) async fn newest_state(&self, evidence: &mut Evidence) -> Result<StateFrames, ClientError> {
        Ok(self.page_of_states("/v1/states", evidence).await?.frames)
    }

    /// The states after one, in one piece, however many answers that takes. Before another is asked for, those that are
    /// there follow each other: no server has a line of them without end.
    pub(crate) async fn states_after(
        &self,
        state: &State,
        evidence: &mut Evidence,
    ) -> Result<StateFrames, ClientError> {
        let mut all = StateFrames::default();
        let mut after = state.version;
        let mut named_bytes = 0;
        loop {
            let path = format!("/v1/states?after={after}");
            let Page { newest, frames } = self.page_of_states(&path, evidence).await?;
            let verified = all.states.len();
            all.states.extend(frames.states);
            named_bytes += frames
                .named_records
                .iter()
                .map(|record| record.len() as u64 + BESIDE_FRAME_BYTES)
                .sum::<u64>();
            all.named_records.extend(frames.named_records);
            match all.states.last() {
                Some(last) if last.version < newest && last.version > after => after = last.version,
                _ => return Ok(all),
            }
            for at in verified..all.states.len() {
                let previous = at.checked_sub(1).map_or(state, |before| &all.states[before]);
                all.states[at].verify_follows(previous)?;
            }
            // Which of these are named shows only at the end.
            if named_bytes > MAX_STATES_ANSWER_BYTES {
                return Err(NAMES_TOO_MUCH.into());
            }
        }
    }

    async fn page_of_states(&self, path: &str, evidence: &mut Evidence) -> Result<Page, ClientError> {
        let (mut newest, mut frames) = (0, StateFrames::default());
        self.each_frame(path, "fetching the account's state", MAX_STATES_ANSWER_BYTES, evidence, |frame| {
            match frame {
                Frame::Header(bytes) => newest = decode_header::<StatesHeader>(&bytes)?.newest,
                Frame::State(bytes) => frames.states.push(State::parse(&bytes)?),
                Frame::NamedRecord(bytes) => frames.named_records.push(bytes),
                _ => return Err(self.not_a_server()),
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(Page { newest, frames })
    }
}

/// One answer with states.
struct Page {
    /// The version of the newest that the server says to have.
    newest: u64,
    frames: StateFrames,
}
