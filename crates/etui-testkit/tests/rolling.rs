//! Two nodes behind a load balancer are restarted one after the other, and nobody notices.
#![cfg(feature = "services-tests")]

use etui_services::Haproxy;
use etui_testkit::{
    Stage,
    fleet::{Fleet, Plan},
};

const CLIENTS: usize = 8;
const ACCOUNTS: usize = 4;
const ROUNDS: usize = 3;
/// Pushes between two restarts.
const BETWEEN: usize = 20;

#[test]
fn a_rolling_restart_fails_no_request_and_loses_no_push() {
    let stage = Stage::behind_a_balancer();
    // The balancer of these tests asks every 200 ms and believes the second answer.
    stage.set("drain_seconds = 3\n");
    let nodes = ["left", "right"].map(|name| (name, stage.node(name)));
    let mut servers = nodes.each_ref().map(|(_, node)| Some(node.serve()));
    let addresses = servers.each_ref().map(|server| server.as_ref().expect("it runs").address());
    let balancer =
        Haproxy::start(&[("left", addresses[0]), ("right", addresses[1])]).expect("haproxy starts");
    for (name, _) in &nodes {
        balancer.wait_until_up(name).expect("it is up");
    }
    // No wire: connections that stay open are what a restart could break.
    let url = format!("http://{}", balancer.address());
    let fleet = Fleet::start(&Plan {
        urls: vec![url.clone(); CLIENTS],
        accounts: ACCOUNTS,
        pushes_each: usize::MAX,
        ballast_bytes: 0,
        homes: stage.path().join("homes"),
    });
    for _ in 0..ROUNDS {
        for ((name, node), server) in nodes.iter().zip(&mut servers) {
            fleet.wait_for(fleet.confirmed() + BETWEEN);
            server.take().expect("it runs").stop();
            balancer.wait_until_down(name).expect("it is down");
            let again = node.serve();
            balancer.lead(name, again.address()).expect("the balancer is told");
            balancer.wait_until_up(name).expect("it is up");
            *server = Some(again);
        }
    }
    fleet.wait_for(fleet.confirmed() + BETWEEN);
    fleet.stop();
    assert_eq!(fleet.failures(), Vec::<String>::new());
    let (confirmed, pushes) = (fleet.confirmed(), fleet.finish(&url));
    assert!(pushes >= confirmed);
    assert_eq!(balancer.failed_answers().expect("it counts"), 0);
    nodes[0].1.verify();
}
