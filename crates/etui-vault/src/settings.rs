//! The settings documents: of a vault (record type 6) and of the account (record type 7), as `spec/entry.md` fixes them.
//! Members that this version does not know are kept.

use etui_chain::{DeviceId, Refusal, Refused};
use zeroize::Zeroizing;

use crate::{
    document::{Document, Value},
    merge,
};

/// The settings of one vault: its name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VaultSettings(Document);

impl VaultSettings {
    /// The settings of a new vault.
    pub fn new(name: &str) -> Self {
        Self(Document::from([(NAME, Value::text(name))]))
    }

    /// Reads the body of a type 6 record.
    ///
    /// # Errors
    /// `format` or `limit`.
    pub fn decode(body: &[u8]) -> Result<Self, Refused> {
        let document = Document::decode(body)?;
        document.text(NAME).ok_or(Refusal::Format.because("the vault's settings lack its name"))?;
        Ok(Self(document))
    }

    /// Writes the body of a type 6 record.
    ///
    /// # Errors
    /// `limit` if it has grown too large.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.0.encode()
    }

    /// The vault's name.
    pub fn name(&self) -> &str {
        self.0.text(NAME).unwrap_or_default()
    }

    /// Gives the vault a name.
    pub fn set_name(&mut self, name: &str) {
        self.0.set(NAME, Value::text(name));
    }

    /// Joins two changed copies; where both changed the same member, theirs stays.
    #[must_use]
    pub fn merge(base: &Self, ours: &Self, theirs: &Self) -> Self {
        Self(merge::settings(&base.0, &ours.0, &theirs.0))
    }
}

/// The settings of the account: what its devices are called.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AccountSettings(Document);

impl AccountSettings {
    /// The settings of a new account.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the body of a type 7 record.
    ///
    /// # Errors
    /// `format` or `limit`.
    pub fn decode(body: &[u8]) -> Result<Self, Refused> {
        let document = Document::decode(body)?;
        let well_formed = document.get(DEVICES).is_none_or(|devices| {
            devices
                .as_object()
                .is_some_and(|devices| devices.members().all(|(id, device)| is_device(id, device)))
        });
        if well_formed {
            Ok(Self(document))
        } else {
            Err(Refusal::Format.because("a device name has the wrong form"))
        }
    }

    /// Writes the body of a type 7 record.
    ///
    /// # Errors
    /// `limit` if it has grown too large.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Refused> {
        self.0.encode()
    }

    /// What a device is called.
    pub fn device_name(&self, id: &DeviceId) -> Option<&str> {
        self.0.get(DEVICES)?.as_object()?.get(&id.to_string())?.as_object()?.text(NAME)
    }

    /// Every named device, by id.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &str)> {
        let devices = self.0.get(DEVICES).and_then(Value::as_object);
        devices
            .into_iter()
            .flat_map(Document::members)
            .filter_map(|(id, device)| Some((id.parse().ok()?, device.as_object()?.text(NAME)?)))
    }

    /// Gives a device a name.
    pub fn set_device_name(&mut self, id: &DeviceId, name: &str) {
        let id = id.to_string();
        let devices = self.0.object_or_new(DEVICES);
        devices.object_or_new(&id).set(NAME, Value::text(name));
    }

    /// Forgets a device; whether it was there.
    pub fn remove_device(&mut self, id: &DeviceId) -> bool {
        self.0.object_mut(DEVICES).is_some_and(|devices| devices.remove(&id.to_string()).is_some())
    }

    /// Joins two changed copies; where both changed the same member, theirs stays.
    #[must_use]
    pub fn merge(base: &Self, ours: &Self, theirs: &Self) -> Self {
        Self(merge::settings(&base.0, &ours.0, &theirs.0))
    }
}

const NAME: &str = "name";
const DEVICES: &str = "devices";

fn is_device(id: &str, device: &Value) -> bool {
    id.parse::<DeviceId>().is_ok() && device.as_object().is_some_and(|device| device.text(NAME).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u8) -> DeviceId {
        DeviceId::new([number; 16]).unwrap()
    }

    #[test]
    fn the_json_form_is_fixed() {
        let mut account = AccountSettings::new();
        account.set_device_name(&device(0xab), "Laptop");
        assert_eq!(
            *account.encode().unwrap(),
            br#"{"devices":{"abababababababababababababababab":{"name":"Laptop"}}}"#
        );
        assert_eq!(*VaultSettings::new("Home").encode().unwrap(), br#"{"name":"Home"}"#);
    }

    #[test]
    fn unknown_members_stay() {
        let json = br#"{"devices":{"abababababababababababababababab":{"icon":"x","name":"a"}},"theme":{"dark":true}}"#;
        let mut account = AccountSettings::decode(json).unwrap();
        account.set_device_name(&device(0xab), "b");
        let expected =
            br#"{"devices":{"abababababababababababababababab":{"icon":"x","name":"b"}},"theme":{"dark":true}}"#;
        assert_eq!(*account.encode().unwrap(), expected);
        let mut vault = VaultSettings::decode(br#"{"colour":"red","name":"a"}"#).unwrap();
        vault.set_name("b");
        assert_eq!((vault.name(), &**vault.encode().unwrap()), ("b", &br#"{"colour":"red","name":"b"}"#[..]));
    }

    #[test]
    fn names_given_on_two_devices_both_stay() {
        let base = AccountSettings::new();
        let (mut ours, mut theirs) = (AccountSettings::new(), AccountSettings::new());
        ours.set_device_name(&device(1), "one");
        theirs.set_device_name(&device(2), "two");
        let merged = AccountSettings::merge(&base, &ours, &theirs);
        assert_eq!(merged.devices().collect::<Vec<_>>(), [(device(1), "one"), (device(2), "two")]);
        ours.set_device_name(&device(2), "mine");
        assert_eq!(AccountSettings::merge(&base, &ours, &theirs).device_name(&device(2)), Some("two"));
        assert!(ours.remove_device(&device(1)) && !ours.remove_device(&device(1)));
    }

    #[test]
    fn other_documents_are_refused() {
        assert!(VaultSettings::decode(b"{}").is_err());
        assert!(VaultSettings::decode(br#"{"name":1}"#).is_err());
        assert!(AccountSettings::decode(b"{}").is_ok());
        for json in [r#"{"devices":[]}"#, r#"{"devices":{"x":{"name":"a"}}}"#] {
            assert_eq!(
                AccountSettings::decode(json.as_bytes()).unwrap_err().refusal,
                Refusal::Format,
                "{json}"
            );
        }
    }
}
