//! Frames: a CBOR sequence (RFC 8742) of two-element arrays `[kind, byte string]`.
//!
//! The last frame of a complete sequence is [`Frame::End`] with the number of frames before it, so that a stream cut
//! short is never taken for a whole one. The form is fixed: shortest lengths, kinds below 24; anything else is
//! refused, and so nothing is allocated beyond what has arrived.

use etui_chain::{Refusal, Refused};

use crate::limits::MAX_FRAME_BYTES;

/// The content type of frame sequences.
pub const CONTENT_TYPE: &str = "application/cbor-seq";

/// One frame. The bytes are as they are stored and signed; parsing and checking them is the receiver's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<B = Vec<u8>> {
    /// A CBOR map that introduces the message; each message says which.
    Header(B),
    /// A signed account state.
    State(B),
    /// A record that a state names: keyset, vault key or account settings.
    NamedRecord(B),
    /// A signed commit.
    Commit(B),
    /// A record that a commit puts.
    Record(B),
    /// The end, with the number of frames before it.
    End(u32),
}

impl<B: AsRef<[u8]>> Frame<B> {
    /// Appends the frame to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Header(bytes) => encode(0, bytes.as_ref(), out),
            Self::State(bytes) => encode(1, bytes.as_ref(), out),
            Self::NamedRecord(bytes) => encode(2, bytes.as_ref(), out),
            Self::Commit(bytes) => encode(3, bytes.as_ref(), out),
            Self::Record(bytes) => encode(4, bytes.as_ref(), out),
            Self::End(count) => encode(5, &count.to_be_bytes(), out),
        }
    }
}

/// Builds a whole sequence in memory, counting for the end.
#[derive(Debug, Default)]
pub struct FrameWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl FrameWriter {
    /// An empty sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame.
    pub fn push<B: AsRef<[u8]>>(&mut self, frame: &Frame<B>) {
        frame.encode_into(&mut self.bytes);
        self.count += 1;
    }

    /// What has been written since the last call: for a sender that streams.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// How many bytes wait to be taken.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits to be taken.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds the end and gives the bytes not yet taken.
    pub fn finish(mut self) -> Vec<u8> {
        Frame::<Vec<u8>>::End(self.count).encode_into(&mut self.bytes);
        self.bytes
    }
}

/// Takes a sequence apart as its bytes arrive.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    consumed: usize,
    count: u32,
    ended: bool,
}

impl FrameReader {
    /// At the start of a sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that have arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.consumed = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes arrive (and for ever after the end).
    ///
    /// # Errors
    /// `format` for bytes that are no frame, for anything after the end and for an end with another count; `limit`
    /// for a frame beyond [`MAX_FRAME_BYTES`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Refused> {
        let waiting = &self.buffer[self.consumed..];
        if self.ended && !waiting.is_empty() {
            return Err(Refusal::Format.because("bytes after the end of a sequence"));
        }
        let Some((kind, start, length)) = read_head(waiting)? else { return Ok(None) };
        let Some(payload) = waiting.get(start..start + length) else { return Ok(None) };
        let payload = payload.to_vec();
        self.consumed += start + length;
        let frame = self.typed(kind, payload)?;
        self.count += 1;
        Ok(Some(frame))
    }

    /// Whether the end has been read and nothing follows.
    ///
    /// # Errors
    /// `truncated` if not.
    pub fn finish(self) -> Result<(), Refused> {
        if self.ended && self.consumed == self.buffer.len() {
            Ok(())
        } else {
            Err(Refusal::Truncated.because("a sequence of frames was cut short"))
        }
    }

    /// Reads a sequence that lies whole in memory; the end is checked and left out.
    ///
    /// # Errors
    /// As [`Self::next_frame`] and [`Self::finish`].
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Frame>, Refused> {
        let mut reader = Self::new();
        reader.feed(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            if !matches!(frame, Frame::End(_)) {
                frames.push(frame);
            }
        }
        reader.finish()?;
        Ok(frames)
    }

    fn typed(&mut self, kind: u8, payload: Vec<u8>) -> Result<Frame, Refused> {
        Ok(match kind {
            0 => Frame::Header(payload),
            1 => Frame::State(payload),
            2 => Frame::NamedRecord(payload),
            3 => Frame::Commit(payload),
            4 => Frame::Record(payload),
            5 if payload == self.count.to_be_bytes() => {
                self.ended = true;
                Frame::End(self.count)
            }
            _ => return Err(Refusal::Format.because("a frame of unknown kind or an end with another count")),
        })
    }
}

fn encode(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    const BYTE_STRING: u8 = 0x40;
    out.extend_from_slice(&[0x82, kind]);
    let length = payload.len();
    if let Ok(length) = u8::try_from(length) {
        match length {
            0..24 => out.push(BYTE_STRING + length),
            _ => out.extend_from_slice(&[BYTE_STRING + 24, length]),
        }
    } else if let Ok(length) = u16::try_from(length) {
        out.push(BYTE_STRING + 25);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(BYTE_STRING + 26);
        out.extend_from_slice(&u32::try_from(length).expect("a frame is far below 4 GiB").to_be_bytes());
    }
    out.extend_from_slice(payload);
}

/// Kind, offset of the payload and its length; `None` while the head is incomplete.
fn read_head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Refused> {
    const NO_FRAME: Refused = Refusal::Format.because("bytes that are no frame");
    let [array, kind, string, rest @ ..] = bytes else {
        return if bytes.is_empty() || bytes[0] == 0x82 { Ok(None) } else { Err(NO_FRAME) };
    };
    if *array != 0x82 || *kind >= 24 {
        return Err(NO_FRAME);
    }
    let width = match string {
        0x40..=0x57 => return Ok(Some((*kind, 3, usize::from(string & 0x1f)))),
        0x58 => 1,
        0x59 => 2,
        0x5a => 4,
        _ => return Err(NO_FRAME),
    };
    let Some(length) = rest.get(..width) else { return Ok(None) };
    let length = length.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
    let shortest_above = [0, 23, 0xff, 0, 0xffff][width];
    if length <= shortest_above {
        return Err(NO_FRAME);
    }
    if length > MAX_FRAME_BYTES {
        return Err(Refusal::Limit.because("a frame is too large"));
    }
    Ok(Some((*kind, 3 + width, length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let payload = prop::collection::vec(any::<u8>(), 0..400);
        let frame = (0..5_u8, payload).prop_map(|(kind, bytes)| match kind {
            0 => Frame::Header(bytes),
            1 => Frame::State(bytes),
            2 => Frame::NamedRecord(bytes),
            3 => Frame::Commit(bytes),
            _ => Frame::Record(bytes),
        });
        prop::collection::vec(frame, 0..20)
    }

    fn write(frames: &[Frame]) -> Vec<u8> {
        let mut writer = FrameWriter::new();
        for frame in frames {
            writer.push(frame);
        }
        writer.finish()
    }

    proptest! {
        #[test]
        fn arrives_the_same_however_it_is_cut(frames in frames(), piece in 1_usize..50) {
            let mut reader = FrameReader::new();
            let mut read = Vec::new();
            for chunk in write(&frames).chunks(piece) {
                reader.feed(chunk);
                while let Some(frame) = reader.next_frame().unwrap() {
                    read.push(frame);
                }
            }
            reader.finish().unwrap();
            prop_assert_eq!(read.pop(), Some(Frame::End(u32::try_from(frames.len()).unwrap())));
            prop_assert_eq!(read, frames);
        }

        #[test]
        fn is_one_cbor_sequence(frames in frames()) {
            let bytes = write(&frames);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let value: ciborium::Value = ciborium::from_reader(&mut rest).unwrap();
                prop_assert_eq!(value.as_array().unwrap().len(), 2);
            }
        }

        #[test]
        fn a_cut_sequence_is_truncated(frames in frames(), cut in any::<prop::sample::Index>()) {
            let bytes = write(&frames);
            let refused = FrameReader::read_all(&bytes[..cut.index(bytes.len())]).unwrap_err();
            prop_assert_eq!(refused.refusal, Refusal::Truncated);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frames) = FrameReader::read_all(&bytes) {
                prop_assert_eq!(write(&frames), bytes, "one sequence, one encoding");
            }
        }
    }

    #[test]
    fn long_forms_large_frames_and_trailing_bytes_are_refused() {
        let refusal = |bytes: &[u8]| FrameReader::read_all(bytes).unwrap_err().refusal;
        assert_eq!(refusal(&[0x82, 3, 0x58, 5, 1, 2, 3, 4, 5]), Refusal::Format, "5 fits the short form");
        assert_eq!(refusal(&[0x82, 3, 0x5a, 0xff, 0, 0, 0]), Refusal::Limit, "refused before it arrives");
        let mut bytes = write(&[]);
        bytes.push(0x82);
        assert_eq!(refusal(&bytes), Refusal::Format);
    }
}
