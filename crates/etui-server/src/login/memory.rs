//! The memory that hashing works in: kept for a moment, because having it zeroed and mapped anew takes as long as a
//! third of the hash itself; then given back, because mostly nobody signs in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argon2::Block;
use tokio::time::Instant;

/// How long memory is kept that nobody uses.
const KEEP: Duration = Duration::from_secs(5);
/// A request for more than 32 MiB is one that the system's allocator maps by itself and unmaps when it is freed. A
/// smaller one would stay with the thread that hashed, for every thread that ever did. Only what is used is touched.
const RESERVED_BLOCKS: usize = 33 << 10;

/// Pieces of memory that are not in use: never more than hashes run at once.
#[derive(Default)]
pub(super) struct Memory(Mutex<Vec<Spare>>);

struct Spare {
    blocks: Vec<Block>,
    used: Instant,
}

impl Memory {
    /// Works in so many blocks, which may hold anything.
    pub(super) fn with_blocks<T>(&self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let spare = self.spares().pop();
        let mut blocks = spare.map_or_else(Vec::new, |spare| spare.blocks);
        if blocks.len() < count {
            // Nothing of the old content has to be carried over.
            blocks = Vec::with_capacity(RESERVED_BLOCKS.max(count));
            blocks.resize(count, Block::new());
        }
        let result = work(&mut blocks[..count]);
        self.spares().push(Spare { blocks, used: Instant::now() });
        result
    }

    /// Gives back what nobody uses until then.
    pub(super) fn release_later(self: &Arc<Self>) {
        let memory = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(KEEP).await;
            memory.spares().retain(|spare| spare.used.elapsed() < KEEP);
        });
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn memory_is_used_again_and_given_back_when_nobody_does() {
        let memory = Arc::new(Memory::default());
        memory.with_blocks(2, |blocks| assert_eq!(blocks.len(), 2));
        memory.with_blocks(1, |blocks| assert_eq!(blocks.len(), 1));
        assert_eq!(memory.spares().len(), 1, "the second used what the first had left");
        memory.release_later();
        tokio::time::sleep(KEEP / 2).await;
        assert_eq!(memory.spares().len(), 1);
        tokio::time::sleep(KEEP).await;
        assert!(memory.spares().is_empty());
    }
}
