//! The threat model names tests: all of them are there, and each test that plays an attacker is named.

use std::{collections::BTreeSet, fs, path::Path};

use crate::{controls::functions, process::repository};

/// One row of a table of claims.
struct Claim<'a> {
    name: &'a str,
    shown_by: &'a str,
}

#[test]
fn every_claim_is_shown_by_tests_that_there_are() {
    let text = threat_model();
    let claims = claims(&text);
    assert!(claims.len() > 70, "{}", claims.len());
    let names: BTreeSet<&str> = claims.iter().map(|claim| claim.name).collect();
    assert_eq!(names.len(), claims.len(), "two claims have one number");
    let (functions, files) = (functions(repository()), files());
    let mut wanting = Vec::new();
    for Claim { name, shown_by } in claims {
        let shown: Vec<String> = spans(shown_by).flat_map(names_in).collect();
        if shown.is_empty() {
            wanting.push(format!("{name} is shown by nothing"));
        }
        let is_there = |test: &String| functions.contains(test) || files.contains(&test.replace('-', "_"));
        wanting.extend(
            shown.iter().filter(|test| !is_there(test)).map(|test| format!("{name}: there is no {test}")),
        );
    }
    assert!(wanting.is_empty(), "{wanting:#?}");
}

/// Attackers without a claim would be tests that nobody could say the purpose of.
#[test]
fn every_test_of_an_attacker_belongs_to_a_claim_or_an_attack() {
    let attacks = fs::read_to_string(repository().join("docs/security/attacks.toml")).expect("the list");
    let named = threat_model() + &attacks;
    for folder in ["crates/etui-testkit/tests/adversary", "crates/etui-sync/tests/refusals"] {
        for file in fs::read_dir(repository().join(folder)).expect("a folder") {
            let path = file.expect("a file").path();
            let module = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            let suite = if folder.ends_with("adversary") { "adversary" } else { "refusals" };
            let whole = [format!("{suite}` (each test asserts it)"), format!("{suite}::{module}`")];
            let text = fs::read_to_string(&path).expect("a source file");
            for test in text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()) {
                let is_named = named.contains(test) || whole.iter().any(|whole| named.contains(whole));
                assert!(is_named, "{folder}: {module}::{test} belongs to no claim");
            }
        }
    }
}

fn threat_model() -> String {
    fs::read_to_string(repository().join("spec/threat-model.md")).expect("the threat model")
}

fn claims(text: &str) -> Vec<Claim<'_>> {
    text.lines()
        .filter(|line| line.starts_with("| C"))
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            Some(Claim { name: cells.next()?, shown_by: cells.nth(2)? })
        })
        .collect()
}

/// What stands between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Of `a::b::{c, d}` the names `c` and `d`, of `a::b` the name `b`, of `cargo xtask kill` the name `kill`; of a plain word none.
fn names_in(span: &str) -> Vec<String> {
    if let Some(command) = span.strip_prefix("cargo xtask ") {
        return vec![command.split(' ').next().unwrap_or_default().to_owned()];
    }
    let last = span.rsplit_once("::").map(|(_, last)| last);
    match last.or_else(|| span.contains('_').then_some(span)) {
        Some(names) => names.trim_matches(['{', '}']).split(',').map(|name| name.trim().to_owned()).collect(),
        None => Vec::new(),
    }
}

/// The names of all source files, without ending: modules of tests and commands of the project.
fn files() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders = vec![repository().join("crates"), repository().join("xtask")];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).expect("a folder") {
            let path = item.expect("an item").path();
            if let Some(stem) = stem(&path) {
                names.insert(stem);
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    names
}

fn stem(path: &Path) -> Option<String> {
    let is_source = path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
    path.file_stem().filter(|_| is_source).and_then(|stem| stem.to_str()).map(str::to_owned)
}
