//! Thirty-two secret bytes that wipe themselves.

use core::fmt;

use etui_chain::{Refusal, Refused};
use zeroize::Zeroize;

use crate::RandomSource;

/// On the heap, so that moving a key leaves no copies behind on the stack.
pub(crate) struct Secret(Box<[u8; 32]>);

impl Secret {
    pub(crate) fn generate(random: &mut dyn RandomSource) -> Self {
        Self::fill_with(|bytes| random.fill(bytes))
    }

    pub(crate) fn fill_with(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Self(Box::new([0; 32]));
        fill(&mut secret.0);
        secret
    }

    pub(crate) fn copy_of(bytes: &[u8; 32]) -> Self {
        Self::fill_with(|secret| secret.copy_from_slice(bytes))
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<Self, Refused> {
        let bytes = bytes.try_into().map_err(|_| Refusal::Format.because("a key is not 32 bytes long"))?;
        Ok(Self::copy_of(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::copy_of(&[0xab; 32])), "[secret]");
    }

    #[test]
    fn another_length_is_refused() {
        for length in [0, 31, 33] {
            assert_eq!(Secret::from_slice(&vec![1; length]).unwrap_err().refusal, Refusal::Format);
        }
    }
}
