//! Randomness comes from the caller.

use etui_chain::{Id, Refused};

/// A cryptographically strong source of random bytes: the operating system's, or a seeded one in tests.
///
/// A source that cannot deliver must not return.
pub trait RandomSource {
    /// Overwrites all of `bytes`.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// Draws an identifier of any kind: 16 random bytes, no bits fixed, nothing about time in it.
///
/// # Errors
/// `format` if the source delivers nothing but zeros.
pub fn random_id<T: From<Id>>(random: &mut dyn RandomSource) -> Result<T, Refused> {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    Id::new(bytes).map(T::from)
}

/// Draws the 32-byte salt of a key derivation.
pub fn random_salt(random: &mut dyn RandomSource) -> [u8; 32] {
    let mut salt = [0; 32];
    random.fill(&mut salt);
    salt
}

/// A reproducible source for tests: SHA-256 in counter mode.
#[cfg(any(test, feature = "vectors"))]
pub(crate) struct Seeded {
    seed: &'static str,
    counter: u64,
}

#[cfg(any(test, feature = "vectors"))]
impl Seeded {
    pub(crate) fn new(seed: &'static str) -> Self {
        Self { seed, counter: 0 }
    }
}

#[cfg(any(test, feature = "vectors"))]
impl RandomSource for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = etui_chain::Digest::of(&[self.seed.as_bytes(), &self.counter.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
            self.counter += 1;
        }
    }
}
