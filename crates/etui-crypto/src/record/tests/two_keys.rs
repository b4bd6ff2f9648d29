//! One GCM ciphertext that two keys accept (Len, Grubbs, Ristenpart, "Partitioning Oracle Attacks", 2021): the
//! commitment refuses it under the key that it was not made for.

use aes_gcm::{
    KeyInit as _,
    aes::{Aes256, cipher::BlockCipherEncrypt as _},
};
use etui_chain::{LAST_PART, RecordHeader, RecordType, Refusal, SCHEMA};

use super::{object, refusal};
use crate::{
    primitive::{gcm_open, hkdf},
    random::Seeded,
    record::{expected_of, open},
    secret::Secret,
};

const LABEL: &[u8] = b"etui/v1/record\0";

#[test]
fn a_ciphertext_good_under_two_keys_opens_under_neither_but_its_own() {
    let mut random = Seeded::new("two keys");
    let keys = [Secret::generate(&mut random), Secret::generate(&mut random)];
    let header = RecordHeader {
        record_type: RecordType::Entry,
        schema: SCHEMA,
        container_id: object().id(),
        object_id: object().id(),
        version: 1,
        epoch: 0,
        part: LAST_PART,
        salt: [3; 32],
    };
    for committed in 0..2 {
        let schedules = keys.each_ref().map(|key| schedule(key, &header));
        let context = [LABEL, &header.to_bytes(), &schedules[committed][44..]].concat();
        let (text, tag) = collide(&schedules, &context);
        for schedule in &schedules {
            let (aes_key, nonce) = (schedule[..32].try_into().unwrap(), schedule[32..44].try_into().unwrap());
            assert!(
                gcm_open(aes_key, nonce, &context, &mut text.clone(), &tag).is_some(),
                "both keys accept it"
            );
        }
        let record = [&header.to_bytes()[..], &schedules[committed][44..], &text, &tag].concat();
        let other = open(&keys[1 - committed], &expected_of(&header), None, &record);
        assert_eq!(refusal(other), Some(Refusal::Commitment));
        let own = open(&keys[committed], &expected_of(&header), None, &record);
        assert_eq!(refusal(own), Some(Refusal::Format), "it decrypts to noise");
    }
}

fn schedule(key: &Secret, header: &RecordHeader) -> [u8; 76] {
    let mut output = [0; 76];
    hkdf(&header.salt, key.bytes(), &[LABEL, &header.to_bytes()], &mut output);
    output
}

/// Two blocks of text, the first arbitrary, the second chosen so that both tags are one.
fn collide(schedules: &[[u8; 76]; 2], associated: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let first = [0x5a; 16];
    let halves = schedules.each_ref().map(|schedule| {
        let aes = Aes256::new(schedule[..32].try_into().unwrap());
        let encrypt = |block: [u8; 16]| {
            let mut block = block.into();
            aes.encrypt_block(&mut block);
            u128::from_be_bytes(block.into())
        };
        let mut counter = [0; 16];
        counter[..12].copy_from_slice(&schedule[32..44]);
        counter[15] = 1;
        (encrypt([0; 16]), encrypt(counter))
    });
    let lengths = (associated.len() as u128 * 8) << 64 | 256;
    let without_second = |hash_key| {
        let mut blocks: Vec<u128> = associated.chunks(16).map(padded_block).collect();
        blocks.extend([padded_block(&first), 0, lengths]);
        blocks.iter().fold(0, |sum, block| multiply(sum ^ block, hash_key))
    };
    let [(key_0, mask_0), (key_1, mask_1)] = halves;
    let (partial_0, partial_1) = (without_second(key_0) ^ mask_0, without_second(key_1) ^ mask_1);
    let squares = multiply(key_0, key_0) ^ multiply(key_1, key_1);
    let second = multiply(partial_0 ^ partial_1, invert(squares));
    let tag = partial_0 ^ multiply(second, multiply(key_0, key_0));
    ([first, second.to_be_bytes()].concat(), tag.to_be_bytes())
}

fn padded_block(bytes: &[u8]) -> u128 {
    let mut block = [0; 16];
    block[..bytes.len()].copy_from_slice(bytes);
    u128::from_be_bytes(block)
}

/// In GF(2^128), bits in GCM's order (NIST SP 800-38D §6.3).
fn multiply(one: u128, other: u128) -> u128 {
    let (mut product, mut shifted) = (0, other);
    for bit in (0..128).rev() {
        if one >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = shifted >> 1 ^ if shifted & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    product
}

/// By Fermat: the power 2^128 - 2.
fn invert(value: u128) -> u128 {
    let mut power = value;
    let mut result = 1 << 127;
    for _ in 1..128 {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    result
}
