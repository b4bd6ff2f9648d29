//! Deterministic CBOR (RFC 8949 §4.2.1): one value, one encoding.

use ciborium::Value;

use crate::{Refusal, Refused};

/// Encodes a value whose maps are already in key order. Lengths and integers take their shortest form.
pub fn encode_deterministic(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("writing to memory cannot fail");
    bytes
}

/// Decodes one value that fills `bytes` exactly and is encoded in the only permitted way: integer keys of maps
/// strictly ascend, and encoding it again gives the same bytes.
///
/// # Errors
/// `format` otherwise.
pub fn decode_deterministic(bytes: &[u8]) -> Result<Value, Refused> {
    let value: Value = ciborium::from_reader(bytes).map_err(|_| Refusal::Format.because("not CBOR"))?;
    if encode_deterministic(&value) != bytes {
        return Err(Refusal::Format.because("CBOR that is not in its deterministic form"));
    }
    Ok(value)
}

/// A map with small unsigned keys, taken apart key by key; what is left at the end is an error.
pub(crate) struct Fields(Vec<(u64, Value)>);

impl Fields {
    pub(crate) fn new(value: Value) -> Result<Self, Refused> {
        let Value::Map(pairs) = value else {
            return Err(Refusal::Format.because("a map was expected"));
        };
        let mut fields = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = unsigned(&key)?;
            if fields.last().is_some_and(|(previous, _)| *previous >= key) {
                return Err(Refusal::Format.because("map keys do not ascend"));
            }
            fields.push((key, value));
        }
        Ok(Self(fields))
    }

    pub(crate) fn optional(&mut self, key: u64) -> Option<Value> {
        let index = self.0.iter().position(|(candidate, _)| *candidate == key)?;
        Some(self.0.remove(index).1)
    }

    pub(crate) fn required(&mut self, key: u64) -> Result<Value, Refused> {
        self.optional(key).ok_or(Refusal::Format.because("a required member is absent"))
    }

    pub(crate) fn finish(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Format.because("an unknown member")) }
    }
}

pub(crate) fn unsigned(value: &Value) -> Result<u64, Refused> {
    value
        .as_integer()
        .and_then(|integer| u64::try_from(integer).ok())
        .ok_or(Refusal::Format.because("an unsigned integer was expected"))
}

pub(crate) fn unsigned_32(value: &Value) -> Result<u32, Refused> {
    u32::try_from(unsigned(value)?).map_err(|_| Refusal::Format.because("an integer is too large"))
}

pub(crate) fn unsigned_8(value: &Value) -> Result<u8, Refused> {
    u8::try_from(unsigned(value)?).map_err(|_| Refusal::Format.because("an integer is too large"))
}

pub(crate) fn bytes<const N: usize>(value: &Value) -> Result<[u8; N], Refused> {
    value
        .as_bytes()
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(Refusal::Format.because("a byte string of another length was expected"))
}

pub(crate) fn boolean(value: &Value) -> Result<bool, Refused> {
    value.as_bool().ok_or(Refusal::Format.because("a boolean was expected"))
}

pub(crate) fn array(value: Value) -> Result<Vec<Value>, Refused> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Refusal::Format.because("an array was expected")),
    }
}

pub(crate) fn array_of<const N: usize>(value: Value) -> Result<[Value; N], Refused> {
    array(value)?.try_into().map_err(|_| Refusal::Format.because("an array of another length was expected"))
}
