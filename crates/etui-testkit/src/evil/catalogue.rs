//! What malicious servers do, by name.

use etui_api::{
    ErrorCode,
    frame::{Frame, FrameReader},
    sync::{PullHeader, StatesHeader, decode_header, encode_header},
};
use etui_chain::{Digest, Head};
use serde_json::json;

use super::{Mutation, Question, Subject};
use crate::Exchange;

/// A mutation that needs nothing but its name.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// The name.
    pub name: &'static str,
    /// What the server does.
    pub does: &'static str,
    make: fn() -> Mutation,
}

/// What can be told by its name alone.
pub const LIST: &[Listed] = &[
    listed("expired_token", "calls every access token expired, one that was just given too", expired_token),
    listed("takes_nothing", "forgets whatever is uploaded, and answers with a failure", takes_nothing),
    listed("corrupted_record", "flips the last bit of the first record of every delivery", corrupted_record),
    listed("missing_record", "keeps the last record of every delivery to itself", missing_record),
    listed("extra_record", "delivers the last record twice", extra_record),
    listed("repeated_record", "delivers the first record in the place of the last, too", repeated_record),
    listed("truncated_answer", "breaks every delivery off before its last byte", truncated_answer),
    listed("other_head", "shows another commit at the place of the one that the device has", other_head),
    listed("old_head", "shows the oldest head that it has shown before", old_head),
    listed("old_state", "gives the first state that it gave before, in place of what came after", old_state),
    listed("endless_states", "gives a million records of nothing beside the states", endless_states),
    listed("endless_keysets", "goes on and on about the keysets", endless_keysets),
];

const fn listed(name: &'static str, does: &'static str, make: fn() -> Mutation) -> Listed {
    Listed { name, does, make }
}

/// The mutation of that name in [`LIST`].
pub fn by_name(name: &str) -> Option<Mutation> {
    LIST.iter().find(|listed| listed.name == name).map(|listed| (listed.make)())
}

/// Calls every access token expired, one that was just given too.
pub fn expired_token() -> Mutation {
    let signed_in = |subject| subject != Subject::Session;
    Mutation::new("expired_token", signed_in, |_, answer| answer.problem(ErrorCode::TokenExpired))
}

/// Takes nothing: whatever is uploaded is answered with a failure and forgotten.
pub fn takes_nothing() -> Mutation {
    let upload = |subject| subject == Subject::Upload;
    Mutation::unasked("takes_nothing", upload, |_, answer| answer.problem(ErrorCode::Internal))
}

/// Flips the last bit of the first record that it delivers.
pub fn corrupted_record() -> Mutation {
    Mutation::of_frames("corrupted_record", pull, |_, mut frames| {
        let record = frames.iter_mut().find_map(|frame| match frame {
            Frame::Record(bytes) => bytes.last_mut(),
            _ => None,
        });
        if let Some(last) = record {
            *last ^= 1;
        }
        frames
    })
}

/// Keeps the last record of every delivery to itself.
pub fn missing_record() -> Mutation {
    Mutation::of_frames("missing_record", pull, |_, mut frames| {
        frames.pop_if(|frame| matches!(frame, Frame::Record(_)));
        frames
    })
}

/// Delivers a genuine record that no commit puts there: one that it delivers anyway, a second time.
pub fn extra_record() -> Mutation {
    Mutation::of_frames("extra_record", pull, |_, mut frames| {
        let again = frames.last().filter(|frame| matches!(frame, Frame::Record(_))).cloned();
        frames.extend(again);
        frames
    })
}

/// Delivers the first record in the place of the last, too.
pub fn repeated_record() -> Mutation {
    Mutation::of_frames("repeated_record", pull, |_, mut frames| {
        let first = frames.iter().find(|frame| matches!(frame, Frame::Record(_))).cloned();
        if let (Some(first), Some(last @ Frame::Record(_))) = (first, frames.last_mut()) {
            *last = first;
        }
        frames
    })
}

/// Breaks an answer off before its end.
pub fn truncated_answer() -> Mutation {
    Mutation::new("truncated_answer", pull, |_, mut answer| {
        answer.body.pop();
        answer
    })
}

/// Shows another commit at the place of the one that the device has.
pub fn other_head() -> Mutation {
    Mutation::of_frames("other_head", pull, |question, frames| {
        let seq = question.query.strip_prefix("after=").and_then(|seq| seq.parse().ok());
        match (frames.first(), seq) {
            (Some(Frame::Header(header)), Some(seq)) => {
                let hash = Digest::of(&[b"another commit"]);
                vec![Frame::Header(with_head(header, Head { seq, hash }))]
            }
            _ => frames,
        }
    })
}

/// Shows the oldest head that it has shown before, as if nothing had happened since.
pub fn old_head() -> Mutation {
    Mutation::of_frames("old_head", pull, |question, frames| {
        let shown = earlier(question).filter_map(|exchange| head_of(exchange, question.path));
        match (frames.first(), shown.min_by_key(|head| head.seq)) {
            (Some(Frame::Header(header)), Some(old)) => vec![Frame::Header(with_head(header, old))],
            _ => frames,
        }
    })
}

/// Gives the first state that it gave before in place of what came after.
pub fn old_state() -> Mutation {
    Mutation::new("old_state", states, |question, mut answer| {
        if let Some(first) = earlier(question).find(|exchange| exchange.path == "/v1/states") {
            answer.body.clone_from(&first.answer_body);
        }
        answer
    })
}

/// Gives a state that it should not have, and all that this state names anew, after those that there are.
pub fn further_state(state: &[u8], named_records: &[Vec<u8>]) -> Mutation {
    let (state, named_records) = (state.to_vec(), named_records.to_vec());
    Mutation::of_frames("further_state", states, move |_, mut frames| {
        if let Some(Frame::Header(header)) = frames.first_mut() {
            let newest = decode_header::<StatesHeader>(header).map_or(0, |header| header.newest);
            *header = encode_header(&StatesHeader { newest: newest + 1 });
        }
        frames.extend(named_records.iter().cloned().map(Frame::NamedRecord));
        frames.push(Frame::State(state.clone()));
        frames
    })
}

/// Gives a million records of nothing beside the states.
pub fn endless_states() -> Mutation {
    Mutation::of_frames("endless_states", states, |_, mut frames| {
        frames.extend(std::iter::repeat_n(Frame::NamedRecord(Vec::new()), 1 << 20));
        frames
    })
}

/// Goes on and on about the keysets.
pub fn endless_keysets() -> Mutation {
    Mutation::new("endless_keysets", keysets, |_, mut answer| {
        answer.body = vec![b' '; 8 << 20];
        answer
    })
}

/// Says that the master key is derived with less than it is: `member` is `m_kib`, `t` or `p`.
pub fn weaker_derivation(member: &'static str, value: u32) -> Mutation {
    Mutation::of_json("weaker_derivation", keysets, move |_, body| {
        body["kdf"][member] = json!(value);
    })
}

/// Gives the keysets that it gave at another time, or to somebody else.
pub fn replaced_keyset(other: &Exchange) -> Mutation {
    let body = other.answer_body.clone();
    Mutation::new("replaced_keyset", keysets, move |_, mut answer| {
        answer.body.clone_from(&body);
        answer
    })
}

fn pull(subject: Subject) -> bool {
    subject == Subject::Pull
}

fn states(subject: Subject) -> bool {
    subject == Subject::States
}

fn keysets(subject: Subject) -> bool {
    subject == Subject::Keysets
}

/// What was answered before, honestly and with success.
fn earlier<'a>(question: &Question<'a>) -> impl Iterator<Item = &'a Exchange> {
    question.earlier.iter().filter(|exchange| !exchange.is_altered && exchange.status == 200)
}

fn head_of(exchange: &Exchange, path: &str) -> Option<Head> {
    let asked = exchange.path.split('?').next()?;
    let frames = FrameReader::read_all(&exchange.answer_body).ok().filter(|_| asked == path)?;
    match frames.first()? {
        Frame::Header(header) => decode_header::<PullHeader>(header).ok().map(|header| header.head),
        _ => None,
    }
}

fn with_head(header: &[u8], head: Head) -> Vec<u8> {
    let header = decode_header::<PullHeader>(header).expect("an honest header");
    encode_header(&PullHeader { head, ..header })
}
