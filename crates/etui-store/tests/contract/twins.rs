//! Two stores that are asked the same, whatever is asked, answer the same and hold the same: if they are of different kinds, and
//! if one of them is restarted all the time.
//!
//! A difference is a fault of one of them. The shortest sequence that shows it is printed, and becomes a test of its own.

#[path = "twins/dump.rs"]
mod dump;
#[path = "twins/flaws.rs"]
mod flaws;
#[path = "twins/operation.rs"]
mod operation;
#[path = "twins/twin.rs"]
mod twin;
#[path = "twins/world.rs"]
mod world;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use self::{
    operation::{Operation, operations},
    twin::{Answer, Call, Twin, is_failure},
    world::World,
};
use crate::backend::Backend;

/// Sequences, unless `PROPTEST_CASES` says how many.
const SEQUENCES: u32 = 16;
/// A failing sequence is shortened for so long,
const SHRINKING_MS: u32 = 180_000;
/// … which is reached before so many were tried.
const MOST_SHORTER: u32 = 100_000;

/// What is different about the second of two stores.
#[derive(Clone, Copy)]
pub(crate) struct Contest {
    pub(crate) first: fn() -> Backend,
    pub(crate) second: fn() -> Backend,
    /// Whether the second is opened anew before everything that is asked: it knows only what it has written.
    pub(crate) second_forgets: bool,
}

/// Asks two new stores random sequences of operations.
pub(crate) fn answer_alike(contest: Contest) {
    let mut config = Config::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = SEQUENCES;
    }
    config.failure_persistence = None;
    config.max_shrink_iters = MOST_SHORTER;
    config.max_shrink_time = SHRINKING_MS;
    let result = TestRunner::new(config)
        .run(&operations(), |operations| play(contest, operations).map_err(TestCaseError::fail));
    match result {
        Err(TestError::Fail(why, operations)) => panic!("{why}\nafter {operations:#?}"),
        other => other.unwrap(),
    }
}

/// Asks two new stores one sequence of operations; the first difference.
fn play(contest: Contest, operations: Vec<Operation>) -> Result<(), String> {
    let Contest { first, second, second_forgets } = contest;
    let (first, second) = (first(), second());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut pair = Pair {
            left: Twin::new(first).await,
            right: Twin::new(second).await,
            right_forgets: second_forgets,
        };
        let result = pair.play(operations).await;
        for twin in [pair.left, pair.right] {
            twin.store.close().await;
            twin.backend.remove().await;
        }
        result
    })
}

struct Pair {
    left: Twin,
    right: Twin,
    right_forgets: bool,
}

impl Pair {
    async fn play(&mut self, operations: Vec<Operation>) -> Result<(), String> {
        let mut world = World::new();
        let first = Operation::SignUp { person: 0, address_of: 0, invited: None, flaw: None };
        self.ask(&mut world, first).await?;
        for operation in operations {
            self.ask(&mut world, operation).await?;
        }
        self.ask(&mut world, Operation::Reopen { fault: None }).await?;
        for look in world.last_looks() {
            self.ask(&mut world, look).await?;
        }
        self.compare_rows().await
    }

    async fn ask(&mut self, world: &mut World, operation: Operation) -> Result<(), String> {
        let name = format!("{operation:?}");
        let Some((call, outcome)) = world.call(operation) else { return Ok(()) };
        let [left, right] = self.answers(call, world.now_ms).await;
        if left != right || is_failure(&left) {
            return Err(format!("{name} was answered\n{left:#?}\nand\n{right:#?}"));
        }
        world.learn(outcome, &left);
        Ok(())
    }

    async fn answers(&mut self, call: Call, now_ms: u64) -> [Answer; 2] {
        let Self { left, right, right_forgets } = self;
        if *right_forgets {
            right.open_anew().await;
        }
        let backups = [&left.backup, &right.backup].map(|backup| backup.path().to_owned());
        [left.answer(call.clone(), &backups[1], now_ms).await, right.answer(call, &backups[0], now_ms).await]
    }

    async fn compare_rows(&self) -> Result<(), String> {
        let [left, right] = [dump::rows(&self.left.backend).await, dump::rows(&self.right.backend).await];
        if left != right {
            let [left_alone, right_alone] = [&left - &right, &right - &left];
            return Err(format!("the tables hold\n{left_alone:#?}\nand\n{right_alone:#?}"));
        }
        for twin in [&self.left, &self.right] {
            let mut problems = Vec::new();
            twin.store.verify(&mut |problem| problems.push(problem.to_string())).await.unwrap();
            if !problems.is_empty() {
                return Err(format!("verification says {problems:#?}"));
            }
        }
        let objects = [&self.left, &self.right].map(|twin| twin.backend.object_count("segments"));
        let [left, right] = objects;
        let (left, right) = (left.await, right.await);
        if left == right { Ok(()) } else { Err(format!("there are {left} and {right} segments")) }
    }
}
