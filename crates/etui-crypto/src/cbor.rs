//! Deterministic CBOR (RFC 8949 §4.2.1) for bodies that hold keys.
//!
//! A few lines of our own instead of a general decoder: only the shortest forms exist, nothing is allocated on the
//! word of the input, and no copy of a key stays behind in a parser's buffers.

use etui_chain::{Refusal, Refused};
use zeroize::Zeroizing;

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

const ONE_BYTE: u8 = 0x18;
const TWO_BYTES: u8 = 0x19;
const FOUR_BYTES: u8 = 0x1a;
const EIGHT_BYTES: u8 = 0x1b;

/// Writes items one after the other into memory that never moves.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    /// `capacity` must cover all that will be written: growing would leave a copy behind.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn map(&mut self, pairs: usize) -> &mut Self {
        self.head(MAP, pairs as u64)
    }

    pub(crate) fn array(&mut self, items: usize) -> &mut Self {
        self.head(ARRAY, items as u64)
    }

    pub(crate) fn unsigned(&mut self, number: u64) -> &mut Self {
        self.head(UNSIGNED, number)
    }

    pub(crate) fn key(&mut self, key: &[u8; 32]) -> &mut Self {
        self.head(BYTES, 32);
        self.push(key)
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    fn head(&mut self, major: u8, number: u64) -> &mut Self {
        let major = major << 5;
        let wide = number.to_be_bytes();
        match number {
            0..24 => self.push(&[major | wide[7]]),
            24..0x100 => self.push(&[major | ONE_BYTE]).push(&wide[7..]),
            0x100..0x1_0000 => self.push(&[major | TWO_BYTES]).push(&wide[6..]),
            0x1_0000..0x1_0000_0000 => self.push(&[major | FOUR_BYTES]).push(&wide[4..]),
            _ => self.push(&[major | EIGHT_BYTES]).push(&wide),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        debug_assert!(self.0.len() + bytes.len() <= self.0.capacity(), "the capacity was too small");
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Reads items one after the other.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn map(&mut self) -> Result<u64, Refused> {
        self.head(MAP)
    }

    pub(crate) fn array(&mut self) -> Result<u64, Refused> {
        self.head(ARRAY)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64, Refused> {
        self.head(UNSIGNED)
    }

    pub(crate) fn unsigned_32(&mut self) -> Result<u32, Refused> {
        u32::try_from(self.unsigned()?).map_err(|_| FORMAT)
    }

    /// The next item must be exactly this number.
    pub(crate) fn expect(&mut self, number: u64) -> Result<(), Refused> {
        if self.unsigned()? == number { Ok(()) } else { Err(FORMAT) }
    }

    pub(crate) fn key(&mut self) -> Result<&'a [u8; 32], Refused> {
        if self.head(BYTES)? != 32 {
            return Err(FORMAT);
        }
        self.take()
    }

    pub(crate) fn finish(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(FORMAT) }
    }

    /// The number beside the major type, refused if a shorter form would have held it.
    fn head(&mut self, major: u8) -> Result<u64, Refused> {
        let [first] = *self.take::<1>()?;
        if first >> 5 != major {
            return Err(FORMAT);
        }
        let (number, floor) = match first & 0x1f {
            short @ 0..24 => (u64::from(short), 0),
            ONE_BYTE => (u64::from(self.take::<1>()?[0]), 24),
            TWO_BYTES => (u64::from(u16::from_be_bytes(*self.take()?)), 0x100),
            FOUR_BYTES => (u64::from(u32::from_be_bytes(*self.take()?)), 0x1_0000),
            EIGHT_BYTES => (u64::from_be_bytes(*self.take()?), 0x1_0000_0000),
            _ => return Err(FORMAT),
        };
        if number < floor { Err(FORMAT) } else { Ok(number) }
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Refused> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FORMAT)?;
        self.0 = rest;
        Ok(taken)
    }
}

const FORMAT: Refused = Refusal::Format.because("a body of keys is not in its one permitted form");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_a_general_encoder(number: u64) {
            let mut writer = Writer::with_capacity(9);
            writer.unsigned(number);
            let bytes = writer.finish();
            let mut general = Vec::new();
            ciborium::into_writer(&number, &mut general).unwrap();
            prop_assert_eq!(&bytes[..], &general[..]);
            prop_assert_eq!(Reader::new(&bytes).unsigned().unwrap(), number);
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1f], &[0x18], &[0x41, 1]]
        {
            assert_eq!(Reader::new(bytes).unsigned().unwrap_err().refusal, Refusal::Format);
        }
        let indefinite_map = [0xbf, 0xff];
        assert_eq!(Reader::new(&indefinite_map).map().unwrap_err().refusal, Refusal::Format);
    }
}
