//! The operating system's randomness and clock: what the core leaves to its edge.

use std::time::{SystemTime, UNIX_EPOCH};

use etui_crypto::RandomSource;

/// The operating system's random number generator.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("the operating system has randomness, or nothing here can be done safely");
    }
}

/// Milliseconds since 1970 by this machine's clock; 0 if the clock stands before that.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}
