//! The list, the page and the tests agree.

use std::{collections::BTreeSet, fs};

use super::{
    list::{Attack, Attacks, folder},
    page, verdict,
    weakened::Controls,
};
use crate::{controls::functions, process::repository};

#[test]
fn the_page_is_made_from_the_list() {
    let page = fs::read_to_string(folder().join("attacks.md")).expect("the page");
    let made = page::text(&Attacks::read().expect("the list"));
    assert!(page == made, "make it anew with `cargo xtask attacks --write`");
}

#[test]
fn every_attack_is_shown_by_tests_that_there_are_or_is_open() {
    let attacks = Attacks::read().expect("the list");
    let functions = functions(repository());
    let mut ids = BTreeSet::new();
    for attack in attacks.all() {
        let Attack { id, core, tests, open, .. } = attack;
        assert!(ids.insert(id), "{id} is there twice");
        let is_shown = core.is_some() || !tests.is_empty();
        assert_ne!(is_shown, open.is_some(), "{id} is shown or open");
        for test in tests.iter().filter_map(|test| test.rsplit("::").next()).chain(core.as_deref()) {
            let name = test.rsplit(' ').next().expect("a name");
            assert!(functions.contains(name), "{id}: there is no test {name}");
        }
    }
    assert!(ids.len() > 50, "{}", ids.len());
}

/// Without running them: each check stands where the list says, and each attack is there.
#[test]
fn every_check_that_is_taken_out_is_there() {
    let controls = Controls::read().expect("the list").controls;
    let functions = functions(repository());
    assert!(controls.len() >= 10, "{}", controls.len());
    for control in &controls {
        let sound = fs::read_to_string(repository().join(&control.file)).expect("a file");
        let weakened = control.weaken(&sound).expect("it is there once");
        assert_ne!(weakened, sound, "{}", control.check);
        let attack = control.attack.rsplit("::").next().expect("a name");
        assert!(functions.contains(attack), "{}: there is no test {attack}", control.check);
    }
}

#[test]
fn every_attack_on_the_core_is_listed() {
    let attacks = Attacks::read().expect("the list");
    let listed: BTreeSet<&str> = attacks.all().filter_map(|attack| attack.core.as_deref()).collect();
    let all = fs::read_to_string(repository().join("crates/etui-sync/tests/attacks/all.rs")).expect("a file");
    let tried = all.lines().map(str::trim).filter(|line| {
        let bytes = line.as_bytes();
        bytes.len() > 4 && bytes[2].is_ascii_digit() && bytes[4] == b'_'
    });
    let tried: BTreeSet<&str> = tried.collect();
    assert_eq!(listed, tried);
}

#[test]
fn what_became_of_a_test_is_read_from_nextests_lines() {
    let line = "        PASS [   0.038s] ( 1/31) etui-sync::attacks account::bw01_malicious_auto_enrolment";
    let test = "etui-sync::attacks account::bw01_malicious_auto_enrolment".to_owned();
    assert_eq!(verdict(line), Some((test.clone(), true)));
    assert_eq!(verdict(&line.replace("PASS", "FAIL")), Some((test, false)));
    assert_eq!(verdict("     Summary [  87.445s] 34 tests run: 34 passed, 69 skipped"), None);
}
