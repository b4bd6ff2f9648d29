//! A node dies.

use crate::{
    scene::{Backing, NODES, Scene},
    witness::Expected,
};

#[test]
fn node_killed() {
    let mut scene = Scene::new("node_killed", Backing::rows());
    scene.begin(0);
    scene.at_some_moments(|scene| {
        let node = scene.seeded.below(2) as usize;
        scene.kill_node(node);
        // The other one goes on alone.
        scene.balancer.wait_until_down(NODES[node]).expect("it is missed");
        scene.go_on_for(4);
        scene.start_node(node);
    });
    scene.check(&Expected { broken_connections: true, ..Expected::default() });
}
