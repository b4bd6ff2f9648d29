//! Every file of `spec/vectors` is reproduced, and a file that lies is not.

use std::{fs, path::PathBuf};

use etui_crypto::vectors::{VectorError, check_file, generate};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_is_reproduced() {
    let files = files();
    for given in ["commit.json", "kdf.json", "record.json", "state.json"] {
        assert!(files.iter().any(|(name, _)| name == given), "{given} is gone");
    }
    for (name, json) in files {
        let report = check_file(&name, &json).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(report.checked > 0, "{name}");
    }
}

#[test]
fn what_cannot_be_checked_is_an_error() {
    assert!(matches!(check_file("a.json", "{"), Err(VectorError::Json { .. })));
    assert!(matches!(check_file("a.json", "{}"), Err(VectorError::UnknownFormat { .. })));
    assert!(matches!(check_file("a.json", "17"), Err(VectorError::UnknownFormat { .. })));
    assert!(matches!(check_file("a.json", "[]"), Err(VectorError::Nothing { .. })));
    assert!(matches!(check_file("a.json", r#"{"derive":[],"login":[]}"#), Err(VectorError::Nothing { .. })));
    assert!(matches!(
        check_file("a.json", r#"{"derive":[],"login":[],"more":1}"#),
        Err(VectorError::Json { .. })
    ));
}

#[test]
fn generated_files_are_those_in_the_folder() {
    let files = files();
    for (name, json) in generate() {
        let found = files.iter().find(|(found, _)| found == name).map(|(_, json)| json.as_str());
        assert!(found == Some(json.as_str()), "{name} is stale: cargo xtask vectors --write");
    }
}
