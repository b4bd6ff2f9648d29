//! From what a person types to keys (`spec/crypto.md`, "Keys").

mod login;
mod parameters;
mod password;

pub use login::{LoginPassword, LoginProof, check_login_choice, check_password_reuse};
pub use parameters::{CheckedKdf, KdfParameters};
pub use password::{MasterPassword, PasswordFault, check_master_choice};

use etui_chain::{AccountId, Refused};

use crate::{
    MasterKey, SecretKey,
    primitive::{argon2id, derive},
};

/// Derives the master key. Takes about a second and the memory that the descriptor says.
///
/// Whether the second secret takes part is what the person says by giving it, not what a server claims.
///
/// # Errors
/// `limit` if the memory cannot be had.
pub fn derive_master_key(
    password: &MasterPassword,
    secret_key: Option<&SecretKey>,
    kdf: &CheckedKdf,
    account_id: AccountId,
) -> Result<MasterKey, Refused> {
    let KdfParameters { m_kib, t, p } = kdf.parameters();
    let stretched = argon2id(password.as_bytes(), &kdf.descriptor().salt, m_kib, t, p)?;
    let salt = secret_key.map_or(&[0; 32], SecretKey::expose);
    let info: [&[u8]; 2] = [b"etui/v1/master-key", account_id.as_bytes()];
    Ok(MasterKey { account_id, secret: derive(salt, stretched.bytes(), &info) })
}
