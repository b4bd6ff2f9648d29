//! How a command fails: what kind, what happened, what to do next.

use std::process::ExitCode;

use etui_chain::Refused;
use serde::{Deserialize, Serialize};

/// The kinds of failure; each is an exit code that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// 1: it did not work.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the agent holds no keys.
    Locked,
    /// 4: no such entry, field or device.
    NotFound,
    /// 5: something did not verify.
    Refused,
    /// 6: the server was needed and could not be reached.
    Offline,
}

impl Kind {
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Locked => 3,
            Self::NotFound => 4,
            Self::Refused => 5,
            Self::Offline => 6,
        }
    }
}

/// A failure as it is shown, and as the agent reports it. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The kind; in JSON the member `code`.
    #[serde(rename = "code")]
    pub(crate) kind: Kind,
    /// The stable name of a refusal (`spec/crypto.md`, "Refusals").
    pub(crate) refusal: Option<String>,
    /// What happened, as one clause.
    pub(crate) message: String,
    /// What to do next, a command where possible.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, refusal: None, message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line that explains any error with its causes.
    pub(crate) fn of(kind: Kind, error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Several libraries repeat the cause in their own sentence.
            if !message.contains(&text) && !text.contains(&message) {
                message = format!("{message}: {text}");
            }
            source = cause.source();
        }
        Self::new(kind, message)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self { refusal: Some(refused.refusal.name().to_owned()), ..Self::new(Kind::Refused, refused.found) }
    }
}

/// Standard output or a file of our own could not be written.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::of(Kind::Failed, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_exit_code() {
        let kinds = [Kind::Failed, Kind::Usage, Kind::Locked, Kind::NotFound, Kind::Refused, Kind::Offline];
        assert_eq!(kinds.map(Kind::exit_code), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_json_form_is_fixed() {
        let refused = etui_chain::Refusal::Rollback.because("the head is older than the pinned one");
        assert_eq!(
            serde_json::to_string(&Failure::from(refused).with_hint("`etui status`")).unwrap(),
            r#"{"code":"refused","refusal":"rollback","message":"the head is older than the pinned one","hint":"`etui status`"}"#
        );
    }
}
