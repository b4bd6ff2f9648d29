//! An authenticator in software, and the browser before it (WebAuthn level 3, sections 6 and 7), which can lie.

use ciborium::value::Value as Cbor;
use data_encoding::BASE64URL_NOPAD;
use etui_api::ways::Ceremony;
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const HAS_CREDENTIAL: u8 = 0x40;

/// What is not as it should be in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// Another site asked.
    Origin,
    /// Another challenge was signed.
    Challenge,
    /// The user was not verified.
    Unverified,
    /// The signature is of another text.
    Signature,
    /// The name is that of another site.
    Site,
    /// It says that it belongs to somebody else.
    Handle,
    /// It counts as at its first use, as an old copy does.
    Counter,
}

/// One passkey.
pub(crate) struct Authenticator {
    key: SigningKey,
    credential_id: Vec<u8>,
    counter: u32,
    user_handle: Vec<u8>,
}

impl Authenticator {
    pub(crate) fn new(number: u8) -> Self {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        Self { key, credential_id: vec![number; 20], counter: 0, user_handle: Vec::new() }
    }

    /// Makes the passkey that is asked for.
    pub(crate) fn create(&mut self, ceremony: &Ceremony, origin: &str, lie: Lie) -> Value {
        let options = &ceremony.options;
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(options["rp"]["id"], "localhost");
        self.user_handle = decoded(&options["user"]["id"]);
        let client_data = client_data("webauthn.create", options, origin, lie);
        let length = u16::try_from(self.credential_id.len()).unwrap().to_be_bytes();
        let credential = [&[0; 16], &length[..], &self.credential_id, &self.public_key()].concat();
        let data = [self.head(HAS_CREDENTIAL, lie), credential].concat();
        let attestation = cbor(&Cbor::Map(vec![
            (text("fmt"), text("none")),
            (text("attStmt"), Cbor::Map(vec![])),
            (text("authData"), Cbor::Bytes(data)),
        ]));
        let response =
            json!({ "attestationObject": encoded(&attestation), "clientDataJSON": encoded(&client_data) });
        self.credential(&response)
    }

    /// Signs what is asked for.
    pub(crate) fn get(&mut self, ceremony: &Ceremony, origin: &str, lie: Lie) -> Value {
        assert_eq!(ceremony.options["userVerification"], "required");
        self.counter += 1;
        let client_data = client_data("webauthn.get", &ceremony.options, origin, lie);
        let data = self.head(0, lie);
        let mut signed = [&data[..], &Sha256::digest(&client_data)].concat();
        if lie == Lie::Signature {
            signed.push(0);
        }
        let signature: Signature = self.key.sign(&signed);
        let handle = if lie == Lie::Handle { vec![7; 16] } else { self.user_handle.clone() };
        let response = json!({
            "authenticatorData": encoded(&data),
            "clientDataJSON": encoded(&client_data),
            "signature": encoded(signature.to_der().as_bytes()),
            "userHandle": encoded(&handle),
        });
        self.credential(&response)
    }

    fn credential(&self, response: &Value) -> Value {
        let id = encoded(&self.credential_id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {} })
    }

    fn head(&self, flags: u8, lie: Lie) -> Vec<u8> {
        let site = if lie == Lie::Site { "evil.example" } else { "localhost" };
        let verified = if lie == Lie::Unverified { 0 } else { USER_VERIFIED };
        let flags = [flags | USER_PRESENT | verified];
        let counter = if lie == Lie::Counter { 1 } else { self.counter };
        [&Sha256::digest(site)[..], &flags, &counter.to_be_bytes()].concat()
    }

    /// As COSE (RFC 9053, section 7.1.1).
    fn public_key(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let entry = |key: i8, value: Cbor| (Cbor::from(key), value);
        cbor(&Cbor::Map(vec![
            entry(1, Cbor::from(2)),
            entry(3, Cbor::from(-7)),
            entry(-1, Cbor::from(1)),
            entry(-2, Cbor::Bytes(x.to_vec())),
            entry(-3, Cbor::Bytes(y.to_vec())),
        ]))
    }
}

fn client_data(kind: &str, options: &Value, origin: &str, lie: Lie) -> Vec<u8> {
    let challenge = if lie == Lie::Challenge {
        encoded(&[1; 32])
    } else {
        options["challenge"].as_str().unwrap().to_owned()
    };
    let origin = if lie == Lie::Origin { "http://localhost:1" } else { origin };
    let data = json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false });
    data.to_string().into_bytes()
}

fn text(text: &str) -> Cbor {
    Cbor::Text(text.to_owned())
}

fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn encoded(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn decoded(text: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_str().unwrap().as_bytes()).unwrap()
}
