//! The bucket does not answer, is gone for a while, or is full.

use etui_services::Ceph;

use crate::{
    scene::{Backing, LARGE_BYTES, Scene},
    witness::Expected,
};

#[test]
fn s3_frozen() {
    let mut scene = Scene::new("s3_frozen", Backing::rows_and_bucket());
    scene.begin(LARGE_BYTES);
    scene.once(|scene| {
        ceph(scene).freeze().expect("it freezes");
        scene.until_felt();
        ceph(scene).thaw().expect("it goes on");
    });
    scene.check(&Expected::default());
}

#[test]
fn s3_killed() {
    let mut scene = Scene::new("s3_killed", Backing::rows_and_bucket());
    scene.begin(LARGE_BYTES);
    scene.at_some_moments(|scene| {
        ceph(scene).kill_gateway().expect("it dies");
        scene.until_felt();
        ceph(scene).start_gateway().expect("it starts");
    });
    scene.check(&Expected::default());
}

#[test]
fn bucket_full() {
    let mut scene = Scene::new("bucket_full", Backing::rows_and_bucket());
    scene.begin(LARGE_BYTES);
    scene.at_some_moments(|scene| {
        ceph(scene).limit_bucket(Some(1)).expect("it is limited");
        scene.until_one_fails();
        ceph(scene).limit_bucket(None).expect("it is not");
    });
    scene.check(&Expected { full: true, ..Expected::default() });
}

fn ceph(scene: &mut Scene) -> &mut Ceph {
    scene.backing.ceph.as_mut().expect("this run has a bucket")
}
