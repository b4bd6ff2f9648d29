//! What is done to one answer.

use etui_api::{ErrorCode, frame::Frame};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{
    place::{Kind, Place},
    same_place,
};
use crate::evil::{Answer, Question, answers};

/// One thing that is done to an answer. What an answer does not have, such as a record in one without records, is not altered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Act {
    /// A problem document in place of the answer.
    Problem(ErrorCode),
    /// Another status.
    Status(#[serde(with = "http_status")] StatusCode),
    /// A text in place of the body.
    Body(String),
    /// The connection ends without an answer.
    HangUp(Sure),
    /// An earlier honest answer to the same question.
    Replay(Earlier),
    /// So many bytes fewer at the end of the body.
    Truncate(usize),
    /// One frame fewer.
    Drop(Place),
    /// One frame twice, the second time at the end.
    Repeat(Place),
    /// All frames of a kind in the opposite order; those of other kinds stay where they are.
    Reverse(Kind),
    /// One frame in the place of another.
    Replace {
        /// The one that goes.
        place: Place,
        /// The one that is there twice then.
        with: Place,
    },
    /// One bit of a frame is another.
    Flip {
        /// The frame.
        place: Place,
        /// Counted from its first byte's highest bit; from its end if negative.
        bit: i64,
    },
    /// A frame with so many bytes fewer at its end.
    Cut {
        /// The frame.
        place: Place,
        /// How many.
        bytes: usize,
    },
    /// Another value in a JSON document (RFC 6901 says where; added if it is not there).
    Set {
        /// For example `/kdf/m_kib`.
        at: String,
        /// The value.
        to: Value,
    },
    /// A value of a JSON document less.
    Remove(String),
}

/// Says that something is meant, where there is nothing else to say: `true`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "bool")]
pub(super) struct Sure;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Earlier {
    First,
    Last,
}

impl Act {
    pub(super) fn apply(&self, question: &Question<'_>, mut answer: Answer) -> Answer {
        match self {
            Self::Problem(code) => return answer.problem(*code),
            Self::Status(status) => answer.status = *status,
            Self::Body(text) => answer.body = text.clone().into_bytes(),
            Self::HangUp(Sure) => answer.hangs_up = true,
            Self::Replay(which) => replay(question, *which, &mut answer),
            Self::Truncate(bytes) => answer.body.truncate(answer.body.len().saturating_sub(*bytes)),
            Self::Set { at, to } => answers::of_json(&mut answer, |document| set(document, at, to)),
            Self::Remove(at) => answers::of_json(&mut answer, |document| remove(document, at)),
            _ => answers::of_frames(&mut answer, |frames| self.apply_to_frames(frames)),
        }
        answer
    }

    fn apply_to_frames(&self, frames: &mut Vec<Frame>) {
        match self {
            Self::Drop(place) => {
                if let Some(index) = place.find(frames) {
                    frames.remove(index);
                }
            }
            Self::Repeat(place) => {
                let again = place.find(frames).map(|index| frames[index].clone());
                frames.extend(again);
            }
            Self::Reverse(kind) => reverse(frames, *kind),
            Self::Replace { place, with } => {
                if let (Some(index), Some(other)) = (place.find(frames), with.find(frames)) {
                    frames[index] = frames[other].clone();
                }
            }
            Self::Flip { place, bit } => {
                if let Some(index) = place.find(frames) {
                    flip(bytes_of(&mut frames[index]), *bit);
                }
            }
            Self::Cut { place, bytes } => {
                if let Some(index) = place.find(frames) {
                    let frame = bytes_of(&mut frames[index]);
                    frame.truncate(frame.len().saturating_sub(*bytes));
                }
            }
            _ => {}
        }
    }
}

fn replay(question: &Question<'_>, which: Earlier, answer: &mut Answer) {
    let mut earlier = question.earlier.iter().filter(|exchange| {
        !exchange.is_altered
            && (200..300).contains(&exchange.status)
            && same_place(question, &exchange.method, &exchange.path)
    });
    let found = match which {
        Earlier::First => earlier.next(),
        Earlier::Last => earlier.next_back(),
    };
    if let Some(exchange) = found {
        answer.body.clone_from(&exchange.answer_body);
    }
}

fn reverse(frames: &mut [Frame], kind: Kind) {
    let places: Vec<usize> = (0..frames.len()).filter(|index| kind.is_of(&frames[*index])).collect();
    for (first, last) in places.iter().zip(places.iter().rev()).take(places.len() / 2) {
        frames.swap(*first, *last);
    }
}

fn flip(bytes: &mut [u8], bit: i64) {
    let bits = i64::try_from(bytes.len() * 8).unwrap_or(i64::MAX);
    let at = if bit < 0 { bits + bit } else { bit };
    if let Some(byte) = usize::try_from(at / 8).ok().and_then(|byte| bytes.get_mut(byte)).filter(|_| at >= 0)
    {
        *byte ^= 0x80 >> (at % 8);
    }
}

fn bytes_of(frame: &mut Frame) -> &mut Vec<u8> {
    match frame {
        Frame::Header(bytes)
        | Frame::State(bytes)
        | Frame::NamedRecord(bytes)
        | Frame::Commit(bytes)
        | Frame::Record(bytes) => bytes,
        Frame::End(_) => unreachable!("the end is no frame of a sequence that was read"),
    }
}

fn set(document: &mut Value, at: &str, to: &Value) {
    if let Some(value) = document.pointer_mut(at) {
        value.clone_from(to);
    } else if let Some((Value::Object(parent), member)) = parent(document, at) {
        parent.insert(member, to.clone());
    }
}

fn remove(document: &mut Value, at: &str) {
    match parent(document, at) {
        Some((Value::Object(parent), member)) => drop(parent.remove(&member)),
        Some((Value::Array(parent), index)) => {
            if let Some(index) = index.parse().ok().filter(|index: &usize| *index < parent.len()) {
                parent.remove(index);
            }
        }
        _ => {}
    }
}

fn parent<'a>(document: &'a mut Value, at: &str) -> Option<(&'a mut Value, String)> {
    let (parent, member) = at.rsplit_once('/')?;
    Some((document.pointer_mut(parent)?, member.replace("~1", "/").replace("~0", "~")))
}

impl TryFrom<bool> for Sure {
    type Error = &'static str;

    fn try_from(sure: bool) -> Result<Self, &'static str> {
        if sure { Ok(Self) } else { Err("leave it out where it is not meant") }
    }
}

mod http_status {
    use http::StatusCode;
    use serde::{Deserialize as _, Deserializer, de::Error as _};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
