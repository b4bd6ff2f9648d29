//! Attacks on clients without the check that stops them: there, they succeed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use serde::Deserialize;

use super::list::folder;
use crate::process::{cargo, output, repository, say, target_folder};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Controls {
    #[serde(rename = "control")]
    pub(super) controls: Vec<Control>,
}

/// One check; the file says what its parts are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    pub(super) check: String,
    pub(super) file: PathBuf,
    pub(super) find: String,
    pub(super) weakened: String,
    pub(super) attack: String,
    pub(super) succeeds: String,
}

impl Controls {
    pub(super) fn read() -> anyhow::Result<Self> {
        let path = folder().join("controls.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }
}

pub(super) fn run() -> anyhow::Result<()> {
    let controls = Controls::read()?.controls;
    let copy = copy_source()?;
    let mut unexpected = Vec::new();
    for control in &controls {
        let verdict = if control.succeeds_in(&copy)? { "succeeds" } else { "DOES NOT" };
        say(&format!("{verdict}  without \"{}\": {}", control.check, control.attack))?;
        if verdict == "DOES NOT" {
            unexpected.push(control.check.as_str());
        }
    }
    anyhow::ensure!(unexpected.is_empty(), "attacks that do not succeed without: {}", unexpected.join("; "));
    say(&format!("\nEach of {} attacks succeeds without the check that stops it.", controls.len()))
}

impl Control {
    /// Whether the attack comes through where the check is missing.
    fn succeeds_in(&self, copy: &Path) -> anyhow::Result<bool> {
        let path = copy.join(&self.file);
        let sound = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        fs::write(&path, self.weaken(&sound)?)?;
        let said = self.attack_in(copy);
        fs::write(&path, sound)?;
        Ok(said?.contains(&self.succeeds))
    }

    pub(super) fn weaken(&self, sound: &str) -> anyhow::Result<String> {
        let places = sound.matches(&self.find).count();
        anyhow::ensure!(places == 1, "{}: {:?} is there {places} times", self.file.display(), self.find);
        Ok(sound.replace(&self.find, &self.weakened))
    }

    /// What the test says, which fails where the attack succeeds.
    fn attack_in(&self, copy: &Path) -> anyhow::Result<String> {
        let mut test = cargo("test --locked --quiet --package etui-sync --test attacks -- --exact");
        test.arg(&self.attack).current_dir(copy).env("CARGO_TARGET_DIR", copy.join("target"));
        let ran = test.output().context("starting cargo")?;
        let said = [ran.stdout, ran.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

/// Every file that belongs to the project, once more in the target folder; what was built there before stays.
fn copy_source() -> anyhow::Result<PathBuf> {
    let copy = target_folder()?.join("weakened");
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(repository());
    for file in output(&mut list)?.lines().filter(|file| needed(file)) {
        let (from, to) = (repository().join(file), copy.join(file));
        fs::create_dir_all(to.parent().expect("a file is in a folder"))?;
        let content = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
        if fs::read(&to).ok().as_ref() != Some(&content) {
            fs::write(&to, content).with_context(|| format!("writing {}", to.display()))?;
        }
    }
    Ok(copy)
}

/// What the crates are made of; tests read what is in `spec`.
fn needed(file: &str) -> bool {
    const FOLDERS: [&str; 4] = ["crates/", "xtask/", "spec/", ".cargo/"];
    FOLDERS.iter().any(|folder| file.starts_with(folder)) || !file.contains('/')
}
