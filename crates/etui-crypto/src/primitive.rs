//! The primitives, in the one shape in which each is used. Nothing outside this crate reaches them.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{AeadInOut as _, inout::InOutBuf},
};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use etui_chain::{Refusal, Refused};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha512;
use zeroize::{Zeroize as _, Zeroizing};

use crate::secret::Secret;

/// Length of the GCM tag.
pub(crate) const TAG_BYTES: usize = 16;

/// HKDF-SHA-512 (RFC 5869) with the parts of `info` concatenated.
pub(crate) fn hkdf(salt: &[u8], key_material: &[u8], info: &[&[u8]], output: &mut [u8]) {
    Hkdf::<Sha512>::new(Some(salt), key_material)
        .expand_multi_info(info, output)
        .expect("no output is longer than 255 blocks");
}

/// HKDF-SHA-512 to one 32-byte key.
pub(crate) fn derive(salt: &[u8], key_material: &[u8], info: &[&[u8]]) -> Secret {
    Secret::fill_with(|key| hkdf(salt, key_material, info, key))
}

/// HMAC-SHA-512 (RFC 2104) over the concatenated parts.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Argon2id, version 0x13 (RFC 9106), 32 bytes of output.
///
/// The working memory is reserved fallibly and wiped: its first blocks follow from the password alone.
pub(crate) fn argon2id(password: &[u8], salt: &[u8], m_kib: u32, t: u32, p: u32) -> Result<Secret, Refused> {
    let parameters = Params::new(m_kib, t, p, Some(32))
        .map_err(|_| Refusal::Format.because("key derivation parameters that Argon2id does not have"))?;
    let mut memory = reserve(parameters.block_count())?;
    let mut output = Zeroizing::new([0; 32]);
    let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into_with_memory(password, salt, output.as_mut(), &mut memory);
    for block in &mut memory {
        block.zeroize();
    }
    derived.map_err(|_| Refusal::Limit.because("a password or salt that Argon2id does not take"))?;
    Ok(Secret::copy_of(&output))
}

fn reserve(blocks: usize) -> Result<Vec<Block>, Refused> {
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| Refusal::Limit.because("too little memory for the key derivation"))?;
    memory.resize(blocks, Block::new());
    Ok(memory)
}

/// AES-256-GCM (NIST SP 800-38D) in place; gives the tag.
pub(crate) fn gcm_seal(
    key: &[u8; 32],
    nonce: &[u8; 12],
    associated: &[u8],
    buffer: &mut [u8],
) -> [u8; TAG_BYTES] {
    Aes256Gcm::new(key.into())
        .encrypt_inout_detached(nonce.into(), associated, InOutBuf::from(buffer))
        .expect("a record is shorter than 64 GiB")
        .into()
}

/// AES-256-GCM in place. Nothing is decrypted unless the tag is right; `None` if it is not.
pub(crate) fn gcm_open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    associated: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Option<()> {
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(nonce.into(), associated, InOutBuf::from(buffer), tag.into())
        .ok()
}

#[cfg(test)]
mod tests;
