//! Known answers, checked on the machine itself: a miscompiled primitive must not write a single record.

use data_encoding::HEXLOWER;
use etui_chain::{Digest, Id, LAST_PART, RecordHeader, RecordType, Refusal, Refused, SCHEMA};

use crate::{
    SigningKey,
    primitive::{argon2id, derive, gcm_open, gcm_seal},
    record::{expected_of, open, seal_with_salt},
    secret::Secret,
};

/// Runs every primitive once against a known answer; takes a few milliseconds. To be called before the first write
/// of a process.
///
/// # Errors
/// `self_test`.
pub fn self_test() -> Result<(), Refused> {
    check(&KNOWN_ANSWERS)
}

struct KnownAnswer {
    /// `None` where a step that must succeed fails.
    compute: fn() -> Option<Vec<u8>>,
    expected: &'static str,
}

/// HKDF: `spec/vectors/kdf.json`, first. AES-256-GCM: the test case of its specification with zeros for key, nonce
/// and one block of text. Ed25519: RFC 8032, test 2.
/// Record: `spec/vectors/record.json`, second.
const KNOWN_ANSWERS: [KnownAnswer; 5] = [
    KnownAnswer {
        compute: argon2id_answer,
        expected: "ad701d96c2adb8091e12b576baeba79b5b71a7c99dcda1a0d14e162e1d933ab0",
    },
    KnownAnswer {
        compute: hkdf_answer,
        expected: "55be640f5f7b121fd7d36d856f2a7109d33a9addb18c4eaefc49718c1ec33ddd",
    },
    KnownAnswer {
        compute: gcm_answer,
        expected: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
    },
    KnownAnswer {
        compute: ed25519_answer,
        expected: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                   085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    },
    KnownAnswer {
        compute: record_answer,
        expected: "e9d7e9b1e61d46bd5e4b80c3a338930224fe26b2b75ab1fe56fb1faeed242897",
    },
];

fn check(answers: &[KnownAnswer]) -> Result<(), Refused> {
    let right = answers
        .iter()
        .all(|answer| (answer.compute)().is_some_and(|found| HEXLOWER.encode(&found) == answer.expected));
    if right {
        Ok(())
    } else {
        Err(Refusal::SelfTest.because("the cryptography does not give the known answers on this machine"))
    }
}

fn argon2id_answer() -> Option<Vec<u8>> {
    let stretched = argon2id(b"password", &[2; 32], 64, 2, 4).ok()?;
    Some(stretched.bytes().to_vec())
}

fn hkdf_answer() -> Option<Vec<u8>> {
    let master_key = bytes::<32>("6139a3c7af53539388803a1b0e2cf4b4215d602e2b3a08bddd94532c4e34fda0")?;
    let account_id = bytes::<16>("7bd5d47e446fcec2a3d811736110e578")?;
    Some(derive(b"", &master_key, &[b"etui/v1/kek/master", &account_id]).bytes().to_vec())
}

fn gcm_answer() -> Option<Vec<u8>> {
    let mut buffer = [0; 16];
    let tag = gcm_seal(&[0; 32], &[0; 12], b"", &mut buffer);
    let sealed = [buffer, tag].concat();
    let mut wrong_tag = tag;
    wrong_tag[15] ^= 1;
    if gcm_open(&[0; 32], &[0; 12], b"", &mut buffer, &wrong_tag).is_some() {
        return None;
    }
    gcm_open(&[0; 32], &[0; 12], b"", &mut buffer, &tag)?;
    (buffer == [0; 16]).then_some(sealed)
}

fn ed25519_answer() -> Option<Vec<u8>> {
    let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")?;
    let key = SigningKey::from_seed(&seed);
    let signature = key.sign(&[0x72]);
    let verifies =
        key.public_key().verifies(&[0x72], &signature) && !key.public_key().verifies(&[0x73], &signature);
    verifies.then(|| signature.as_bytes().to_vec())
}

fn record_answer() -> Option<Vec<u8>> {
    let key = Secret::copy_of(&bytes("859205f57ff8b9ba41277601c77b39621ba19dc8870461db595d0bd237b363f4")?);
    let header = RecordHeader {
        record_type: RecordType::Entry,
        schema: SCHEMA,
        container_id: Id::new(bytes("37aadce2a7dc3ef0b7a191bd18323383")?).ok()?,
        object_id: Id::new(bytes("e8ca23cf8f7d16219919c884698003c7")?).ok()?,
        version: 608_038_517_243,
        epoch: 3,
        part: LAST_PART,
        salt: bytes("2c26b58f90ae9a345b47146d57cd20f3ba185e0e0b7d297b4cfcb8de6c575f5d")?,
    };
    let sealed = seal_with_salt(&key, &header, b"");
    let opened = open(&key, &expected_of(&header), Some(Digest::of(&[&sealed.bytes])), &sealed.bytes).ok()?;
    opened.is_empty().then(|| sealed.hash.as_bytes().to_vec())
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_gives_the_known_answers() {
        self_test().unwrap();
    }

    #[test]
    fn one_corrupt_answer_is_enough_to_refuse() {
        for corrupt in 0..KNOWN_ANSWERS.len() {
            let mut answers = KNOWN_ANSWERS;
            answers[corrupt].expected = "00";
            assert_eq!(check(&answers).unwrap_err().refusal, Refusal::SelfTest, "answer {corrupt}");
        }
    }

    #[test]
    fn a_step_that_fails_is_enough_to_refuse() {
        let failing = KnownAnswer { compute: || None, expected: "" };
        assert_eq!(check(&[failing]).unwrap_err().refusal, Refusal::SelfTest);
    }
}
