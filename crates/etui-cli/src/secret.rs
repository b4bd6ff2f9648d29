//! Text that must not be left lying about.

use core::fmt;

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

/// A password, a kit, a decrypted entry: wiped when dropped, shown by nobody.
///
/// It serialises, unlike other secrets, because the agent's socket is where it has to go; nothing else is ever
/// serialised with it. There it is base64: a text without escapes is read in place, so that no parser keeps a copy.
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Takes bytes that are UTF-8; none if they are not.
    pub(crate) fn from_utf8(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(Self::new)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(self.0.as_bytes())))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Base64Visitor)
    }
}

struct Base64Visitor;

impl de::Visitor<'_> for Base64Visitor {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("base64 of UTF-8")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).map_err(|_| E::custom("not base64"))?);
        Secret::from_utf8(&bytes).ok_or_else(|| E::custom("not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }

    proptest! {
        #[test]
        fn it_crosses_the_socket_without_escapes(text: String) {
            let json = serde_json::to_string(&Secret::new(text.clone())).unwrap();
            prop_assert!(!json.contains('\\'));
            let crossed: Secret = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(crossed.expose(), text);
        }
    }
}
