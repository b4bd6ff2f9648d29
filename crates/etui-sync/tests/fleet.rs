//! A fleet of devices and a server that keeps its word, on a wire that does not: whatever is lost, doubled, late or
//! killed, the laws of `spec/sync.md` hold.
//!
//! `ETUI_FLEET_CASES` sets the number of schedules. A failing schedule shrinks, is printed whole, and its seed is kept
//! in `fleet.regressions`, from which it runs first the next time.

#[path = "fleet/kit.rs"]
mod kit;
#[path = "fleet/laws.rs"]
mod laws;
#[path = "fleet/schedule.rs"]
mod schedule;

use proptest::{prelude::*, test_runner::FileFailurePersistence};

use schedule::{Fleet, any_schedule};

fn config() -> ProptestConfig {
    let cases = std::env::var("ETUI_FLEET_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100);
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        max_shrink_iters: 4096,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_fleet_converges_and_loses_nothing(schedule in any_schedule()) {
        let mut fleet = Fleet::founded();
        for op in schedule {
            fleet.run(op);
        }
        fleet.settle();
        laws::assert_converged(&fleet);
        laws::assert_nothing_lost(&fleet);
        laws::assert_chains_verify(&fleet.wire.server);
        laws::assert_history_is_whole(&fleet);
        laws::assert_every_device_heals(&fleet);
    }
}
