//! Which frame of an answer: `last record`, `first commit`, `state 2`.

use std::{fmt, str::FromStr};

use etui_api::frame::Frame;
use serde::Deserialize;

/// A kind of frame and which one of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Place {
    kind: Kind,
    which: Which,
}

/// A kind of frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Header,
    State,
    NamedRecord,
    Commit,
    Record,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Counted from 0.
    Number(usize),
    Last,
}

/// What names no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPlace(String);

impl fmt::Display for BadPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "\"{}\" names no frame: say first, last or a number, and header, state, named_record, commit or record, as in \
             \"last record\" or \"commit 2\"",
            self.0
        )
    }
}

impl std::error::Error for BadPlace {}

impl Place {
    /// Where it is in a sequence, if it is there.
    pub(super) fn find(self, frames: &[Frame]) -> Option<usize> {
        let mut of_kind = (0..frames.len()).filter(|index| self.kind.is_of(&frames[*index]));
        match self.which {
            Which::Number(number) => of_kind.nth(number),
            Which::Last => of_kind.next_back(),
        }
    }
}

impl Kind {
    pub(super) const fn is_of(self, frame: &Frame) -> bool {
        matches!(
            (self, frame),
            (Self::Header, Frame::Header(_))
                | (Self::State, Frame::State(_))
                | (Self::NamedRecord, Frame::NamedRecord(_))
                | (Self::Commit, Frame::Commit(_))
                | (Self::Record, Frame::Record(_))
        )
    }
}

impl TryFrom<String> for Place {
    type Error = BadPlace;

    fn try_from(text: String) -> Result<Self, BadPlace> {
        text.parse()
    }
}

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let bad = || BadPlace(text.to_owned());
        let (one, two) = text.split_once(' ').ok_or_else(bad)?;
        let (kind, which) = match one {
            "first" => (two, Which::Number(0)),
            "last" => (two, Which::Last),
            kind => (
                kind,
                Which::Number(
                    two.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).ok_or_else(bad)?,
                ),
            ),
        };
        let kind = match kind {
            "header" => Kind::Header,
            "state" => Kind::State,
            "named_record" => Kind::NamedRecord,
            "commit" => Kind::Commit,
            "record" => Kind::Record,
            _ => return Err(bad()),
        };
        Ok(Self { kind, which })
    }
}
