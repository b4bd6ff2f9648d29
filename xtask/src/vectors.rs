//! `cargo xtask vectors`: are the formats what `spec/crypto.md` says?

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use etui_crypto::vectors::{Report, check_file, generate};

use crate::process::repository;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder with JSON files
    #[arg(default_value = "spec/vectors")]
    folder: PathBuf,
    /// Write the generated files into the folder before checking it
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.write {
        write_generated(&arguments.folder)?;
    }
    check_folder(&arguments.folder, &mut io::stdout().lock())
}

/// Checks `spec/vectors`.
pub(crate) fn check_repository() -> anyhow::Result<()> {
    check_folder(&repository().join("spec/vectors"), &mut io::stdout().lock())
}

fn write_generated(folder: &Path) -> anyhow::Result<()> {
    for (name, json) in generate() {
        let path = folder.join(name);
        fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Goes through all files even after a failure, so that one run tells everything.
fn check_folder(folder: &Path, output: &mut dyn Write) -> anyhow::Result<()> {
    let (mut checked, mut failed) = (0, 0);
    for path in files(folder)? {
        match check_path(&path) {
            Ok(report) => {
                checked += 1;
                writeln!(output, "ok    {}: {} ({})", path.display(), report.checked, report.format)?;
            }
            Err(error) => {
                failed += 1;
                writeln!(output, "FAIL  {error:#}")?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} files in {} do not hold", checked + failed, folder.display());
    }
    ensure!(checked > 0, "nothing to check in {}", folder.display());
    Ok(())
}

/// Everything in the folder but its README.md, in order of names.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading the folder {}", folder.display()))?.path();
        if path.file_name().is_none_or(|name| name != "README.md") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn check_path(path: &Path) -> anyhow::Result<Report> {
    let json = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(check_file(&path.display().to_string(), &json)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KDF: &str = include_str!("../../spec/vectors/kdf.json");

    fn check(files: &[(&str, &str)]) -> (anyhow::Result<()>, String) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let mut output = Vec::new();
        let result = check_folder(folder.path(), &mut output);
        (result, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_file_is_known_by_its_members_and_counted() {
        let (result, output) = check(&[("other-name.json", KDF), ("README.md", "words")]);
        result.unwrap();
        assert!(output.ends_with("other-name.json: 6 (kdf)\n"), "{output}");
    }

    #[test]
    fn an_empty_folder_is_a_failure() {
        assert!(check(&[]).0.is_err());
        assert!(check(&[("README.md", "words")]).0.is_err());
    }

    #[test]
    fn one_wrong_answer_fails_and_the_rest_is_still_told() {
        let wrong = KDF.replace("88866a33", "88866a34");
        let (result, output) = check(&[("a.json", &wrong), ("b.json", KDF)]);
        assert!(result.is_err());
        assert!(output.starts_with("FAIL") && output.contains("login 0"), "{output}");
        assert!(output.contains("b.json: 6 (kdf)"), "{output}");
    }

    #[test]
    fn an_unknown_file_is_a_failure_that_says_so() {
        let (result, output) = check(&[("a.json", KDF), ("b.json", "{\"what\":1}")]);
        assert!(result.is_err());
        assert!(output.contains("none of the known formats"), "{output}");
    }
}
