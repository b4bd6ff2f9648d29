//! The answer that is being looked at, byte for byte, so that it can be put aside if it is refused.

/// At most so much of one answer is kept: its beginning.
const MAX_BYTES: usize = 16 << 20;

/// What the server answered last, and to what.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    asked: String,
    bytes: Vec<u8>,
    length_bytes: u64,
}

impl Evidence {
    /// Another answer begins; the one before was in order.
    pub(crate) fn begin(&mut self, asked: &str) {
        asked.clone_into(&mut self.asked);
        self.bytes.clear();
        self.length_bytes = 0;
    }

    /// Bytes of it have arrived.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.length_bytes += piece.len() as u64;
        let room = MAX_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// The method and path of the request.
    pub(crate) fn asked(&self) -> &str {
        &self.asked
    }

    /// What is kept of the answer.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How long the answer was, as far as it was read.
    pub(crate) const fn length_bytes(&self) -> u64 {
        self.length_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_beginning_of_a_huge_answer_is_kept() {
        let mut evidence = Evidence::default();
        evidence.begin("GET /");
        let piece = vec![7; MAX_BYTES / 2 + 1];
        (0..3).for_each(|_| evidence.add(&piece));
        assert_eq!(evidence.bytes().len(), MAX_BYTES);
        assert_eq!(evidence.length_bytes(), 3 * piece.len() as u64);
        evidence.begin("GET /v1/states");
        assert_eq!(
            (evidence.asked(), evidence.bytes(), evidence.length_bytes()),
            ("GET /v1/states", &[][..], 0)
        );
    }
}
