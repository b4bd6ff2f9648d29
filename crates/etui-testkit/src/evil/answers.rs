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
            if answer.status.is_success() {
                let frames = FrameReader::read_all(&answer.body).expect("an honest answer is whole");
                answer.body = sequence(&alter(question, frames));
            }
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
            if answer.status.is_success() {
                let mut value = serde_json::from_slice(&answer.body).expect("an honest answer is JSON");
                alter(question, &mut value);
                answer.body = value.to_string().into_bytes();
            }
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

fn sequence(frames: &[Frame]) -> Vec<u8> {
    let mut writer = FrameWriter::new();
    for frame in frames {
        writer.push(frame);
    }
    writer.finish()
}
