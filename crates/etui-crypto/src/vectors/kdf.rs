//! `kdf.json`: from passwords to keys.

use etui_chain::{AccountId, DeviceId, Digest};
use serde::Deserialize;

use super::{
    Mismatch,
    format::{At as _, Hex, as_hex, same},
};
use crate::{
    CheckedKdf, DeviceKey, DeviceWrappingKey, KdfParameters, KeysetKey, LoginPassword, LoginProof,
    MasterPassword, PrfOutput, RecoveryKey, SecretKey, derive_master_key, primitive::argon2id,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    derive: Vec<Derivation>,
    login: Vec<Login>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    master_password: String,
    secret_key: Option<Digest>,
    account_id: AccountId,
    salt: Digest,
    m_kib: u32,
    t: u32,
    p: u32,
    argon2id: Digest,
    master_key: Digest,
    kek_master: Digest,
    recovery_key: Digest,
    kek_recovery: Digest,
    prf_output: Digest,
    credential_id: Hex,
    kek_prf: Digest,
    device_wrapping_key: Digest,
    device_id: DeviceId,
    kek_device: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    #[serde(rename = "login_password")]
    password: String,
    #[serde(rename = "login_proof")]
    proof: Digest,
}

pub(super) fn check(file: &File) -> Result<usize, Mismatch> {
    for (index, derivation) in file.derive.iter().enumerate() {
        check_derivation(derivation, &format!("derive {index}"))?;
    }
    for (index, login) in file.login.iter().enumerate() {
        let at = format!("login {index}");
        let password = LoginPassword::new(&login.password).at(&at)?;
        let proof = LoginProof::derive(&login.email, &password).at(&at)?;
        same(&*proof.to_base64url(), &data_encoding::BASE64URL_NOPAD.encode(login.proof.as_bytes()), &at)?;
    }
    Ok(file.derive.len() + file.login.len())
}

fn check_derivation(given: &Derivation, at: &str) -> Result<(), Mismatch> {
    let account_id = given.account_id;
    let parameters = KdfParameters { m_kib: given.m_kib, t: given.t, p: given.p };
    let descriptor = parameters.describe(*given.salt.as_bytes(), given.secret_key.is_some());
    let checked = CheckedKdf::new(descriptor, None).at(at)?;
    let password = MasterPassword::new(&given.master_password).at(at)?;

    let stretched =
        argon2id(password.as_bytes(), given.salt.as_bytes(), given.m_kib, given.t, given.p).at(at)?;
    same(&as_hex(&stretched), &given.argon2id, format_args!("{at}, argon2id"))?;
    let secret_key = given.secret_key.map(|key| SecretKey::from_bytes(key.as_bytes()));
    let master_key = derive_master_key(&password, secret_key.as_ref(), &checked, account_id).at(at)?;
    same(&as_hex(&master_key.secret), &given.master_key, format_args!("{at}, master_key"))?;

    let key = KeysetKey::from_master(&master_key);
    same(&as_hex(&key.secret), &given.kek_master, format_args!("{at}, kek_master"))?;
    let key = KeysetKey::from_recovery(&RecoveryKey::from_bytes(given.recovery_key.as_bytes()), account_id);
    same(&as_hex(&key.secret), &given.kek_recovery, format_args!("{at}, kek_recovery"))?;
    let output = PrfOutput::from_bytes(given.prf_output.as_bytes());
    let key = KeysetKey::from_prf(&output, account_id, &given.credential_id.0);
    same(&as_hex(&key.secret), &given.kek_prf, format_args!("{at}, kek_prf"))?;
    let wrapping_key = DeviceWrappingKey::from_bytes(given.device_wrapping_key.as_bytes());
    let key = DeviceKey::new(&wrapping_key, account_id, given.device_id);
    same(&as_hex(&key.secret), &given.kek_device, format_args!("{at}, kek_device"))
}
