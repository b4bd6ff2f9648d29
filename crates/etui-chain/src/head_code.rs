//! A short code by which a person compares two devices (`spec/crypto.md`, "Head code").

use crate::{AccountId, Digest, Head, VaultId};

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Eight characters of Crockford's base32 over the account, its state and the head of each listed vault.
pub fn head_code(account_id: &AccountId, state_hash: &Digest, heads: &[(VaultId, Head)]) -> String {
    let mut heads = heads.to_vec();
    heads.sort_unstable_by_key(|(vault_id, _)| *vault_id);
    let mut input = b"etui/v1/head-code\0".to_vec();
    input.extend_from_slice(account_id.as_bytes());
    input.extend_from_slice(state_hash.as_bytes());
    for (vault_id, head) in &heads {
        input.extend_from_slice(vault_id.as_bytes());
        input.extend_from_slice(&head.seq.to_be_bytes());
        input.extend_from_slice(head.hash.as_bytes());
    }
    let digest = Digest::of(&[&input]);
    let first_40_bits = digest.as_bytes()[..5].iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8).rev().map(|index| CROCKFORD[((first_40_bits >> (5 * index)) & 31) as usize] as char).collect()
}
