//! The list of attacks.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::process::repository;

/// What nextest calls the attacks on the core.
pub(super) const CORE: &str = "etui-sync::attacks ";

/// All of them, in groups.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attacks {
    #[serde(rename = "group")]
    pub(super) groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) text: String,
    #[serde(rename = "attack")]
    pub(super) attacks: Vec<Attack>,
}

/// One attack; the file says what its parts are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attack {
    pub(super) id: String,
    pub(super) broke: String,
    pub(super) tries: String,
    pub(super) answer: String,
    pub(super) core: Option<String>,
    #[serde(default)]
    pub(super) tests: Vec<String>,
    pub(super) open: Option<String>,
}

impl Attacks {
    pub(super) fn read() -> anyhow::Result<Self> {
        let path = folder().join("attacks.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Attack> {
        self.groups.iter().flat_map(|group| &group.attacks)
    }
}

impl Attack {
    /// By which nextest finds its tests.
    pub(super) fn filters(&self) -> impl Iterator<Item = String> {
        let core =
            self.core.iter().map(|name| format!("(binary_id(={}) & test(/::{name}$/))", CORE.trim_end()));
        let tests = self.tests.iter().filter_map(|test| test.split_once(' '));
        core.chain(tests.map(|(program, test)| format!("(binary_id(={program}) & test(={test}))")))
    }
}

pub(super) fn folder() -> PathBuf {
    repository().join("docs/security")
}
