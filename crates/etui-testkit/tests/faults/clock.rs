//! The clock of the nodes jumps.

use std::{fs, path::PathBuf};

use etui_services::system_packages;

use crate::{
    scene::{Backing, LARGE_BYTES, Scene},
    witness::Expected,
};

const HOUR_S: i64 = 3600;
const JUMPS_S: [i64; 4] = [24 * HOUR_S, 3 * HOUR_S, -3 * HOUR_S, -24 * HOUR_S];
/// Debian's place; the linker replaces `$LIB`.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

#[test]
fn clock_jumps() {
    let mut scene = with_clock("clock_jumps", Backing::rows());
    scene.begin(0);
    scene.at_some_moments(|scene| {
        let jump_s = JUMPS_S[scene.seeded.below(4) as usize];
        set_clock(scene, jump_s);
        scene.go_on_for(8);
        // And back.
        set_clock(scene, 0);
        scene.go_on_for(8);
    });
    scene.check(&Expected { expired: true, ..Expected::default() });
}

/// A bucket refuses requests that were signed at another time than its own.
#[test]
fn clock_leaves_bucket() {
    let mut scene = with_clock("clock_leaves_bucket", Backing::rows_and_bucket());
    scene.begin(LARGE_BYTES);
    scene.at_some_moments(|scene| {
        let jump_s = JUMPS_S[scene.seeded.below(4) as usize];
        set_clock(scene, jump_s);
        scene.until_one_fails();
        set_clock(scene, 0);
    });
    scene.check(&Expected { expired: true, ..Expected::default() });
}

fn with_clock(name: &'static str, backing: Backing) -> Scene {
    system_packages::ensure_for_faketime().expect("faketime is there");
    let scene = Scene::new(name, backing);
    set_clock(&scene, 0);
    let clock = clock(&scene).display().to_string();
    scene
        .with("LD_PRELOAD", LIBRARY)
        .with("FAKETIME_TIMESTAMP_FILE", &clock)
        .with("FAKETIME_NO_CACHE", "1")
        // What measures how long something takes does not jump on real machines either.
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

fn set_clock(scene: &Scene, ahead_s: i64) {
    // Nobody must read half of it.
    let new = clock(scene).with_extension("new");
    fs::write(&new, format!("{ahead_s:+}")).expect("a file");
    fs::rename(new, clock(scene)).expect("a file");
}

fn clock(scene: &Scene) -> PathBuf {
    scene.stage.path().join("clock")
}
