//! What several operations take as frames: a state with what it names, a commit with its records.

use bytes::Bytes;
use etui_api::frame::Frame;
use etui_chain::{Commit, MIN_RECORD_BYTES, Refusal, Refused, State};
use etui_store::{CommitUpload, HealStep, HealUpload, StateUpload};

use crate::{body::Frames, problem::ApiError};

const OUT_OF_ORDER: Refused = Refusal::Format.because("frames in another order than described");

/// A state, the records that it newly names, commit 1 of each new vault with its records; then the end.
pub(crate) async fn state_upload(frames: &mut Frames) -> Result<StateUpload, ApiError> {
    let Some(Frame::State(state)) = frames.next().await? else { return Err(OUT_OF_ORDER.into()) };
    let mut upload =
        StateUpload { state: State::parse(&state)?, named_records: Vec::new(), first_commits: Vec::new() };
    while let Some(frame) = frames.next().await? {
        match (frame, upload.first_commits.last_mut()) {
            (Frame::NamedRecord(record), None) => upload.named_records.push(whole(record)?),
            (Frame::Commit(commit), _) => {
                let commit = Commit::parse(&commit)?;
                upload.first_commits.push(CommitUpload { commit, records: Vec::new() });
            }
            (Frame::Record(record), Some(first)) => first.records.push(whole(record)?),
            _ => return Err(OUT_OF_ORDER.into()),
        }
    }
    Ok(upload)
}

/// A commit and the records that it puts; then the end.
pub(crate) async fn commit_upload(frames: &mut Frames) -> Result<CommitUpload, ApiError> {
    let Some(Frame::Commit(commit)) = frames.next().await? else { return Err(OUT_OF_ORDER.into()) };
    let mut upload = CommitUpload { commit: Commit::parse(&commit)?, records: Vec::new() };
    while let Some(frame) = frames.next().await? {
        let Frame::Record(record) = frame else { return Err(OUT_OF_ORDER.into()) };
        upload.records.push(whole(record)?);
    }
    Ok(upload)
}

/// States and commits in the order in which they were made, records anywhere; then the end.
pub(crate) async fn heal_upload(frames: &mut Frames) -> Result<HealUpload, ApiError> {
    let mut upload = HealUpload::default();
    while let Some(frame) = frames.next().await? {
        match frame {
            Frame::State(state) => upload.steps.push(HealStep::State(State::parse(&state)?)),
            Frame::Commit(commit) => upload.steps.push(HealStep::Commit(Commit::parse(&commit)?)),
            Frame::Record(record) => upload.records.push(whole(record)?),
            Frame::NamedRecord(record) => upload.named_records.push(whole(record)?),
            Frame::Header(_) | Frame::End(_) => return Err(OUT_OF_ORDER.into()),
        }
    }
    Ok(upload)
}

/// No record is shorter. A frame of a few bytes would take many times its size in memory, whatever becomes of it.
fn whole(record: Vec<u8>) -> Result<Bytes, Refused> {
    if record.len() < MIN_RECORD_BYTES {
        return Err(Refusal::Truncated.because("a record shorter than any can be"));
    }
    Ok(record.into())
}
