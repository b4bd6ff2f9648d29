//! Taking answers apart and putting them together again.

use etui_api::{
    ErrorCode, Problem,
    frame::{Frame, FrameReader, FrameWriter},
    problem,
};
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use super::{Answer, Mutation, Question, Subject};

impl Mutation {
    /// A mutation of the frames of an answer.
    pub fn of_frames(
        name: &'static str,
        concerns: fn(Subject) -> bool,
        alter: impl Fn(&Question<'_>, Vec<Frame>) -> Vec<Frame> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, concerns, move |question, mut answer| {
            of_frames(&mut answer, |frames| *frames = alter(question, std::mem::take(frames)));
            answer
        })
    }

    /// A mutation of the JSON of an answer.
    pub fn of_json(
        name: &'static str,
        concerns: fn(Subject) -> bool,
        alter: impl Fn(&Question<'_>, &mut Value) + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, concerns, move |question, mut answer| {
            of_json(&mut answer, |document| alter(question, document));
            answer
        })
    }
}

impl Answer {
    /// A problem document in place of any answer.
    #[must_use]
    pub fn problem(mut self, code: ErrorCode) -> Self {
        self.status = StatusCode::from_u16(code.status()).expect("every code has a status");
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        self.body = serde_json::to_vec(&Problem::new(code)).expect("a problem is plain");
        self
    }
}

/// Alters the frames of an answer; one that is no sequence of frames stays as it is.
pub(super) fn of_frames(answer: &mut Answer, alter: impl FnOnce(&mut Vec<Frame>)) {
    if answer.status.is_success()
        && let Ok(mut frames) = FrameReader::read_all(&answer.body)
    {
        alter(&mut frames);
        answer.body = sequence(&frames);
    }
}

/// Alters the JSON of an answer; one that is no JSON stays as it is.
pub(super) fn of_json(answer: &mut Answer, alter: impl FnOnce(&mut Value)) {
    if answer.status.is_success()
        && let Ok(mut document) = serde_json::from_slice(&answer.body)
    {
        alter(&mut document);
        answer.body = document.to_string().into_bytes();
    }
}

fn sequence(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    for frame in frames {
        writer.push(frame);
    }
    writer.finish()
}
