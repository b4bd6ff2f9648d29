//! Lies told by a file: what somebody writes who wants to try something on a client and has no Rust at hand. The form is
//! explained in `docs/security/evil.md`.

mod act;
mod place;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;

use super::{Mutation, Question, catalogue};
use act::Act;
pub use place::BadPlace;

/// Why a file is no script.
#[derive(Debug)]
pub enum ScriptError {
    /// It cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no script. The source names line and column.
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// It says nothing, or a lie in it says too little or too much.
    Lie {
        /// The lie's name.
        name: String,
        /// What is wrong.
        wrong: &'static str,
    },
}

impl fmt::Display for ScriptError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(formatter, "{} cannot be read", path.display()),
            Self::Form { path, source } => write!(formatter, "{} is no script: {source}", path.display()),
            Self::Lie { name, wrong } => write!(formatter, "the lie \"{name}\" {wrong}"),
        }
    }
}

impl std::error::Error for ScriptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Form { .. } | Self::Lie { .. } => None,
        }
    }
}

/// The lies of a file, in the order in which they are told.
///
/// # Errors
/// [`ScriptError`].
pub fn read(path: &Path) -> Result<Vec<Mutation>, ScriptError> {
    let text =
        fs::read_to_string(path).map_err(|source| ScriptError::File { path: path.to_owned(), source })?;
    let script: Script = toml::from_str(&text)
        .map_err(|source| ScriptError::Form { path: path.to_owned(), source: Box::new(source) })?;
    script.lies.into_iter().map(Lie::into_mutation).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(rename = "lie", default)]
    lies: Vec<Lie>,
}

/// One thing that the server does. Either it is one of the catalogue, or it says where it is told and what is done there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lie {
    name: String,
    catalogue: Option<String>,
    on: Option<Route>,
    #[serde(rename = "do", default)]
    acts: Vec<Act>,
    /// Whether the honest server does not hear of the question.
    #[serde(default)]
    unheard: bool,
    /// Nothing is told until a request to this place has passed.
    since: Option<Route>,
    /// How many answers that it could alter stay as they are first.
    #[serde(default)]
    after: usize,
    /// How many answers it alters.
    times: Option<usize>,
}

impl Lie {
    fn into_mutation(self) -> Result<Mutation, ScriptError> {
        let Self { name, catalogue, on, acts, unheard, since, after, times } = self;
        let wrong = |wrong| ScriptError::Lie { name: name.clone(), wrong };
        let mutation = match (catalogue, on) {
            (Some(listed), None) if acts.is_empty() && !unheard => catalogue::by_name(&listed)
                .ok_or_else(|| wrong("is not in the catalogue (`etui-evil --catalogue` lists it)"))?,
            (None, Some(_)) if acts.is_empty() => return Err(wrong("does nothing: it needs `do`")),
            (None, Some(route)) => scripted(name.clone(), route, acts, !unheard),
            _ => return Err(wrong("needs either `catalogue`, or `on` and `do`")),
        };
        let mutation = mutation.named(name);
        let mutation = times.into_iter().fold(mutation.after(after), Mutation::times);
        Ok(since.into_iter().fold(mutation, |mutation, route| {
            mutation.while_(move |question| {
                question.earlier.iter().any(|exchange| route.is_of(&exchange.method, &exchange.path))
            })
        }))
    }
}

fn scripted(name: String, route: Route, acts: Vec<Act>, asks: bool) -> Mutation {
    Mutation::on(
        name,
        asks,
        move |question| route.is_of(question.method, question.path),
        move |question, answer| acts.iter().fold(answer, |answer, act| act.apply(question, answer)),
    )
}

/// A method and a path, in which `*` stands for any one piece: `GET /v1/vaults/*/changes`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Route {
    method: String,
    path: String,
}

/// What is not of the form `METHOD /path`.
#[derive(Debug)]
struct BadRoute(String);

impl fmt::Display for BadRoute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\" is no method and path, as \"GET /v1/vaults/*/changes\" is", self.0)
    }
}

impl TryFrom<String> for Route {
    type Error = BadRoute;

    fn try_from(text: String) -> Result<Self, BadRoute> {
        text.parse()
    }
}

impl FromStr for Route {
    type Err = BadRoute;

    fn from_str(text: &str) -> Result<Self, BadRoute> {
        match text.split_once(' ') {
            Some((method, path)) if path.starts_with('/') && !path.contains([' ', '?']) => {
                Ok(Self { method: method.to_owned(), path: path.to_owned() })
            }
            _ => Err(BadRoute(text.to_owned())),
        }
    }
}

impl Route {
    fn is_of(&self, method: &str, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        let same_length = self.path.split('/').count() == path.split('/').count();
        let mut pieces = self.path.split('/').zip(path.split('/'));
        (self.method == "*" || self.method == method)
            && same_length
            && pieces.all(|(wanted, piece)| wanted == "*" || wanted == piece)
    }
}

/// Whether an earlier exchange was about the same thing.
fn same_place(question: &Question<'_>, method: &str, path: &str) -> bool {
    question.method == method && path.split('?').next() == Some(question.path)
}

#[cfg(test)]
mod tests;
