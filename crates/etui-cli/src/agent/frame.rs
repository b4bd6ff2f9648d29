//! One message on the socket: its length as `u32`, big-endian, then that many bytes of JSON.
//!
//! Buffers are of the right size from the start and wiped afterwards, as messages hold secrets.

use std::io::{self, ErrorKind, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

/// The longest message. A vault of 65,536 entries lists itself in less.
pub(super) const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;

/// Why a message could not be passed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection broke.
    #[error("talking to the agent: the connection broke")]
    Connection(#[source] io::Error),
    /// The message is longer than [`MAX_FRAME_BYTES`].
    #[error("talking to the agent: a message of {bytes} bytes is too long")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not JSON of the expected form. The parser's own words are left out: they can quote the message.
    #[error("talking to the agent: a message was not understood")]
    NotUnderstood,
}

/// Writes one message.
pub(super) fn write(stream: &mut impl Write, message: &impl Serialize) -> Result<(), FrameError> {
    let mut length = Counter(0);
    serde_json::to_writer(&mut length, message).map_err(|_| FrameError::NotUnderstood)?;
    let length = length.0;
    let header = u32::try_from(length).ok().filter(|_| length <= MAX_FRAME_BYTES);
    let header = header.ok_or(FrameError::TooLong { bytes: length })?.to_be_bytes();
    let mut frame = Zeroizing::new(Vec::with_capacity(header.len() + length));
    frame.extend_from_slice(&header);
    serde_json::to_writer(&mut *frame, message).map_err(|_| FrameError::NotUnderstood)?;
    stream.write_all(&frame).and_then(|()| stream.flush()).map_err(FrameError::Connection)
}

/// Reads one message; none if the other side has closed the connection between two.
pub(super) fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut header = [0; 4];
    match stream.read(&mut header[..1]).map_err(FrameError::Connection)? {
        0 => return Ok(None),
        _ => stream.read_exact(&mut header[1..]).map_err(FrameError::Connection)?,
    }
    let bytes = u32::from_be_bytes(header) as usize;
    if bytes > MAX_FRAME_BYTES {
        return Err(FrameError::TooLong { bytes });
    }
    let mut body = Zeroizing::new(vec![0; bytes]);
    stream.read_exact(&mut body).map_err(FrameError::Connection)?;
    serde_json::from_slice(&body).map(Some).map_err(|_| FrameError::NotUnderstood)
}

impl FrameError {
    /// Whether the other side went away.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Connection(error)
            if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset))
    }
}

/// Counts what is written.
struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn the_form_is_fixed() {
        let mut bytes = Vec::new();
        write(&mut bytes, &"lock").unwrap();
        assert_eq!(bytes, b"\0\0\0\x06\"lock\"");
    }

    #[test]
    fn a_closed_connection_is_an_end_and_a_torn_message_is_not() {
        assert!(read::<String>(&mut &b""[..]).unwrap().is_none());
        for torn in [&b"\0"[..], b"\0\0\0\x06", b"\0\0\0\x06\"loc"] {
            let error = read::<String>(&mut &*torn).unwrap_err();
            assert!(error.is_end(), "{error:?}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_message_is_refused_before_it_is_read() {
        let error = read::<String>(&mut &b"\x04\0\0\x01"[..]).unwrap_err();
        assert!(matches!(error, FrameError::TooLong { bytes } if bytes == MAX_FRAME_BYTES + 1));
        let error = read::<u8>(&mut &b"\0\0\0\x09\"hunter2\""[..]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let long = "a".repeat(MAX_FRAME_BYTES);
        assert!(matches!(write(&mut io::sink(), &long), Err(FrameError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn messages_arrive_in_order(messages in vec(vec(".*", 0..4), 0..4)) {
            let mut bytes = Vec::new();
            for message in &messages {
                write(&mut bytes, message).unwrap();
            }
            let mut stream = &*bytes;
            for message in &messages {
                let arrived = read::<Vec<String>>(&mut stream).unwrap();
                prop_assert_eq!(arrived.as_ref(), Some(message));
            }
            prop_assert!(read::<Vec<String>>(&mut stream).unwrap().is_none());
        }
    }
}
