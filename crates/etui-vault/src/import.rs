//! Bringing entries in from other programs. Errors name the line and the fault, never a value.

mod jsonl;

pub use jsonl::{parse, parse_line};

/// A line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("importing line {line}: {what}")]
pub struct ImportError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: ImportFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// Not JSON, or not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// No title.
    #[error("the title is missing")]
    NoTitle,
    /// The type is not one that can be written.
    #[error("the type is not known")]
    UnknownType,
    /// A member has the wrong type; its name.
    #[error("`{0}` has the wrong type")]
    WrongType(&'static str),
    /// A member that is not known, which would be dropped; its name.
    #[error("it has a member that is not known, `{0}`")]
    UnknownMember(String),
    /// A member that is there twice; its name.
    #[error("it has the member `{0}` twice")]
    RepeatedMember(String),
    /// The one-time password cannot be read.
    #[error("`totp` is not an otpauth URI nor a Base32 secret")]
    OneTimePassword,
}
