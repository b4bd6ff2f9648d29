//! JSON text to a [`Document`], straight into strings that wipe themselves.

use core::{cell::Cell, fmt};

use etui_chain::{Refusal, Refused};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::{Document, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_ELEMENTS, MAX_INTEGER, SecretText, Value};

pub(super) fn document(bytes: &[u8]) -> Result<Document, Refused> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(Refusal::Limit.because("the document is larger than 1 MiB"));
    }
    let beyond_limit = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    // The parser's own message is dropped: it could quote a value.
    let value = Reader { depth: 0, beyond_limit: &beyond_limit }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .ok();
    match value {
        Some(Value::Object(document)) => Ok(document),
        Some(_) => Err(Refusal::Format.because("the document is not a JSON object")),
        None if beyond_limit.get() => {
            Err(Refusal::Limit.because("the document nests too deeply or lists too much"))
        }
        None => Err(Refusal::Format.because("the document is not JSON of the kind that is written")),
    }
}

/// Reads one value and counts how deep it lies.
#[derive(Clone, Copy)]
struct Reader<'a> {
    depth: usize,
    beyond_limit: &'a Cell<bool>,
}

impl Reader<'_> {
    fn limit<E: de::Error>(&self) -> E {
        self.beyond_limit.set(true);
        E::custom("limit")
    }

    fn inside<E: de::Error>(mut self) -> Result<Self, E> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.limit()) } else { Ok(self) }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value whose numbers are whole")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        if (-MAX_INTEGER..=MAX_INTEGER).contains(&number) {
            Ok(Value::Integer(number))
        } else {
            Err(E::custom("a number beyond 53 bits"))
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map_err(E::custom).and_then(|number| self.visit_i64(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(SecretText::new(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut list = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            if list.len() == MAX_ELEMENTS {
                return Err(self.limit());
            }
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inside()?;
        let mut document = Document::new();
        while let Some(name) = members.next_key::<String>()? {
            if document.0.len() == MAX_ELEMENTS {
                return Err(self.limit());
            }
            let value = members.next_value_seed(inner)?;
            // Which of two equal names wins differs between parsers: refused, so that all read the same.
            if document.0.insert(name, value).is_some() {
                return Err(de::Error::custom("a repeated member"));
            }
        }
        Ok(Value::Object(document))
    }
}
