//! The pages about controls name tests and files: all of them are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Shorter words in code are names of other things.
const LEAST_UNDERSCORES: usize = 3;

#[test]
fn every_test_and_file_that_the_controls_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project's folder");
    let functions = functions(root);
    let mut tests = 0;
    for page in pages(&root.join("docs/compliance")).into_iter().chain(pages(&root.join("docs/privacy"))) {
        let text = fs::read_to_string(&page).expect("a page");
        for link in links(&text) {
            let file = page.with_file_name(link);
            assert!(file.exists(), "{}: there is no {link}", page.display());
        }
        if page.parent().is_some_and(|folder| folder.ends_with("compliance")) {
            for name in test_names(&text) {
                assert!(functions.contains(name), "{}: there is no test {name}", page.display());
                tests += 1;
            }
        }
    }
    assert!(tests > 50, "tests are named in a form that is not found: {tests}");
}

fn pages(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder").map(|item| item.expect("a page").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Relative ones, without what is behind a `#`.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let files = targets.map(|(target, _)| target.split('#').next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains("://")).collect()
}

fn test_names(text: &str) -> Vec<&str> {
    let words = text.split('`').skip(1).step_by(2);
    words
        .filter(|word| {
            word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && word.matches('_').count() >= LEAST_UNDERSCORES
        })
        .collect()
}

/// The names of all functions of the project.
pub(crate) fn functions(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![root.join("crates"), root.join("xtask")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let after = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
                names.extend(after.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}
