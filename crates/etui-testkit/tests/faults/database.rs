//! The database crashes, moves to its standby, or is out of reach.

use etui_services::Postgres;

use crate::{
    scene::{Backing, NODES, Scene},
    witness::Expected,
};

/// With no node in use the balancer answers by itself.
const NO_NODE_IN_USE: Expected = Expected { broken_connections: true, full: false, expired: false };

#[test]
fn postgres_stopped() {
    let mut scene = Scene::new("postgres_stopped", Backing::rows());
    scene.begin(0);
    scene.at_some_moments(|scene| {
        scene.backing.postgres.stop_at_once().expect("it stops");
        scene.until_one_fails();
        scene.backing.postgres.start_again().expect("it starts");
    });
    scene.check(&NO_NODE_IN_USE);
}

/// Its address leads to the standby, and old connections break.
#[test]
fn standby_promoted() {
    let (primary, standby) = Postgres::start_with_standby().expect("PostgreSQL starts");
    let mut scene = Scene::new("standby_promoted", Backing { postgres: primary, ceph: None });
    scene.begin(0);
    scene.once(|scene| {
        scene.backing.postgres.stop_at_once().expect("it stops");
        standby.promote().expect("it is promoted");
        scene.links.iter().for_each(|link| link.lead_to(standby.address()));
        scene.until_one_fails();
    });
    scene.check(&NO_NODE_IN_USE);
}

/// The primary's machine is gone without a word: old connections stay silent for ever.
#[test]
fn primary_vanished() {
    let (primary, standby) = Postgres::start_with_standby().expect("PostgreSQL starts");
    let mut scene = Scene::new("primary_vanished", Backing { postgres: primary, ceph: None });
    scene.begin(0);
    scene.once(|scene| {
        scene.links.iter().for_each(|link| link.abandon_for(standby.address()));
        standby.promote().expect("it is promoted");
        scene.until_one_fails();
    });
    scene.check(&NO_NODE_IN_USE);
}

/// One of the nodes reaches it no more.
#[test]
fn node_partitioned() {
    let mut scene = Scene::new("node_partitioned", Backing::rows());
    scene.begin(0);
    scene.at_some_moments(|scene| {
        let node = scene.seeded.below(2) as usize;
        scene.links[node].silence();
        scene.until_felt();
        scene.balancer.wait_until_down(NODES[node]).expect("it is missed");
        if scene.is_long() {
            // Those that had asked this node are answered as well, in the end.
            scene.go_on_for(8);
        }
        scene.links[node].mend();
        scene.balancer.wait_until_up(NODES[node]).expect("it recovers by itself");
    });
    scene.check(&Expected::default());
}
