//! Becoming a device of an account: signing up, signing in on a new device, recovering.

pub(crate) mod address;
mod again;
mod place;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;

use etui_api::{
    ErrorCode,
    account::{Keysets, SignUp as SignUpHeader},
    session::LoginProof,
    sync::encode_header,
};
use etui_chain::{AccountId, DeviceId, KdfDescriptor, KeysetKind, State, VaultId};
use etui_crypto::{
    KdfParameters, Keyset, KeysetKey, LoginPassword, MasterKey, MasterPassword, RandomSource as _,
    RecoveryKit, SigningKey, check_login_choice, check_master_choice, random_id, self_test,
};
use etui_sync::{AccountDraft, create_account, join};
use etui_vault::{AccountSettings, VaultSettings};
use zeroize::Zeroizing;

use crate::{
    Agreement, ClientError, Device, Home, Invitation, KdfChoice, OsRandom, SecondFactor, Wanted, Way,
    api::Api,
    evidence::Evidence,
    invitation,
    kdf::fresh_master_key,
    now_ms,
    unlock::{self, Unlocked},
};

use place::Place;

/// What a person enters to sign up.
pub struct SignUp {
    /// The server's address.
    pub server: String,
    /// The e-mail address that will name the account there.
    pub email: String,
    /// For the server: who are you.
    pub way: Way,
    /// For this device alone: what can you read.
    pub master_password: MasterPassword,
    /// A name for this device, sealed in the account settings.
    pub device_name: String,
    /// What deriving the master key is to cost.
    pub kdf: KdfChoice,
    /// Whether a keyring, if there is one, keeps the key of the local store.
    pub use_keyring: bool,
    /// Where the server takes nobody without one.
    pub invitation: Option<Invitation>,
}

/// What a person enters to sign in on a device.
pub struct LogIn {
    /// The server's address.
    pub server: String,
    /// The account's e-mail address.
    pub email: String,
    /// For the server: who are you.
    pub way: Way,
    /// For this device alone: what can you read. When recovering, the new one.
    pub master_password: MasterPassword,
    /// A name for this device, sealed in the account settings.
    pub device_name: String,
    /// Whether a keyring, if there is one, keeps the key of the local store.
    pub use_keyring: bool,
    /// What else the person shows, where the account asks for a second factor.
    pub second_factor: Option<SecondFactor>,
    /// Whether an account that is being deleted is kept: else nothing more of it is given to any device.
    pub keep_account: Agreement,
    /// Whether a key derivation may take much memory.
    pub kdf_memory: Agreement,
    /// Whether what is in the folder is put aside, unread, and the folder becomes a new device.
    pub anew: bool,
}

impl Device {
    /// Makes a new account and this its first device.
    ///
    /// # Errors
    /// [`ClientError::InUse`]; [`ClientError::Choice`] for a weak password, `password_reuse` for two that are alike;
    /// [`ClientError::NeedsInvitation`]; what the server answers.
    pub async fn sign_up(home: &Home, sign_up: SignUp) -> Result<Self, ClientError> {
        self_test()?;
        refuse_if_in_use(home)?;
        let SignUp { server, email, way, master_password, device_name, kdf, .. } = sign_up;
        let SignUp { use_keyring, invitation, .. } = sign_up;
        if let Way::LoginPassword(login_password) = &way {
            check_login_choice(login_password)
                .map_err(|fault| ClientError::Choice { which: "the login password", fault })?;
        }
        check_choice(&master_password, &email)?;
        way.check_reuse(&master_password)?;

        let api = Api::new(&server)?;
        invitation::require(&api, invitation.as_ref()).await?;
        let new = new_account(&master_password, kdf, &device_name)?;
        let mut header = sign_up_header(&api, &email, &way, new.device_id).await?;
        header.invitation = invitation.map(Invitation::into_token);
        let (account, vault_keys) = create_account(&new.draft(), &mut OsRandom)?;
        let frames = account.frames(&encode_header(&header));
        api.sign_up(frames).await?;

        let step = account.into_step(new.device_id)?;
        let keys = Unlocked { keyset: new.keyset, vault_keys, device_key: SigningKey::from_seed(&new.seed) };
        let place = Place {
            home,
            email: &email,
            device_id: new.device_id,
            seed: &new.seed,
            use_keyring,
            anew: false,
        };
        let device = place.settle(api, &new.master_key, step, |_, _| Ok(keys))?;
        device.write_file()?;
        Ok(device)
    }

    /// Signs in. On a new device this fetches and verifies everything and lists the device; on a device that is set up
    /// already it begins a new session and unlocks; given a new address of the same account, the device goes there.
    ///
    /// # Errors
    /// [`ClientError::SignInFailed`], [`ClientError::WrongMasterPassword`], [`ClientError::OtherAccount`],
    /// [`ClientError::NeedsKdfConsent`], or the name by which the server's data was refused; then nothing is set up.
    pub async fn log_in(home: &Home, log_in: LogIn) -> Result<Self, ClientError> {
        self_test()?;
        log_in.way.check_reuse(&log_in.master_password)?;
        if !log_in.anew && home.device()?.is_some() {
            return again::log_in_again(home, &log_in).await;
        }
        let LogIn { server, email, way, master_password, device_name, .. } = log_in;
        let api = Api::new(&server)?;
        let (device_id, seed) = new_device_in(home)?;
        let session = way.sign_in(&api, &email, device_id, log_in.second_factor.as_ref()).await?;
        let unlock =
            unlock::way_in(&keysets(&api, home, device_id, &log_in.keep_account).await?, KeysetKind::Master)?;
        let (state, named_records) = newest_state(&api).await?;
        let (master_key, keyset) = unlock::open_with_password(
            &unlock,
            &state,
            &master_password,
            &log_in.kdf_memory,
            session.account_id,
        )
        .await?;

        let snapshots = snapshots(&api, &state).await?;
        let step = join(device_id, state, named_records, snapshots)?;
        let (use_keyring, anew) = (log_in.use_keyring, log_in.anew);
        let place = Place { home, email: &email, device_id, seed: &seed, use_keyring, anew };
        let device = place.settle(api, &master_key, step, |engine, store| {
            let vault_keys = unlock::vault_keys(engine, &keyset, store)?;
            Ok(Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) })
        })?;
        device.write_file()?;
        device.list_this_device(&device_name).await?;
        Ok(device)
    }

    /// Opens the account with its Recovery Kit on a new device and gives it a new master password.
    ///
    /// # Errors
    /// As [`Self::log_in`]; [`ClientError::InUse`]; `commitment` if the kit is not this account's.
    pub async fn recover(home: &Home, log_in: LogIn, kit: RecoveryKit) -> Result<Self, ClientError> {
        self_test()?;
        refuse_if_in_use(home)?;
        let LogIn { server, email, way, master_password, device_name, use_keyring, .. } = log_in;
        check_choice(&master_password, &email)?;
        way.check_reuse(&master_password)?;
        let api = Api::new(&server)?;
        let (device_id, seed) = new_device_in(home)?;
        way.sign_in(&api, &email, device_id, log_in.second_factor.as_ref()).await?;
        let unlock = unlock::way_in(
            &keysets(&api, home, device_id, &log_in.keep_account).await?,
            KeysetKind::Recovery,
        )?;
        let (state, named_records) = newest_state(&api).await?;
        let keyset = unlock::open_with_kit(&unlock, &state, &kit)?;

        let (kdf, account_id) = (state.kdf, state.account_id);
        unlock::agreed(kdf, &log_in.kdf_memory).await?;
        let snapshots = snapshots(&api, &state).await?;
        let step = join(device_id, state, named_records, snapshots)?;
        let (kdf, master_key) =
            fresh_master_key(&master_password, account_id, KdfParameters::of(&kdf), Some(&kdf))?;
        let place = Place { home, email: &email, device_id, seed: &seed, use_keyring, anew: false };
        let device = place.settle(api, &master_key, step, |engine, store| {
            let vault_keys = unlock::vault_keys(engine, &keyset, store)?;
            Ok(Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) })
        })?;
        let finished = async {
            device.list_this_device(&device_name).await?;
            device.put_master_keyset(kdf, &master_key).await?;
            // Until now nothing opened with the new master password: a folder left before is set up again.
            device.write_file()
        };
        if let Err(error) = finished.await {
            device.leave_folder()?;
            return Err(error);
        }
        Ok(device)
    }
}

/// Refuses a weak master password.
pub(crate) fn check_choice(password: &MasterPassword, email: &str) -> Result<(), ClientError> {
    check_master_choice(password, &[email])
        .map_err(|fault| ClientError::Choice { which: "the master password", fault })
}

/// What a new account begins with.
struct Beginning {
    account_id: AccountId,
    device_id: DeviceId,
    seed: Zeroizing<[u8; 32]>,
    device_key: SigningKey,
    kdf: KdfDescriptor,
    master_key: MasterKey,
    keyset_key: KeysetKey,
    keyset: Keyset,
    account_settings: Zeroizing<Vec<u8>>,
    vault_settings: Zeroizing<Vec<u8>>,
}

impl Beginning {
    fn draft(&self) -> AccountDraft<'_> {
        AccountDraft {
            account_id: self.account_id,
            device_id: self.device_id,
            device_key: &self.device_key,
            kdf: self.kdf,
            master_key: &self.keyset_key,
            keyset: &self.keyset,
            account_settings: &self.account_settings,
            vault_settings: &self.vault_settings,
            now_ms: now_ms(),
        }
    }
}

fn new_account(
    master_password: &MasterPassword,
    kdf: KdfChoice,
    device_name: &str,
) -> Result<Beginning, ClientError> {
    let account_id = random_id(&mut OsRandom)?;
    let (device_id, seed) = new_device()?;
    let costs = kdf.costs(KdfParameters::FLOOR)?;
    let (kdf, master_key) = fresh_master_key(master_password, account_id, costs, None)?;
    let mut account_settings = AccountSettings::new();
    account_settings.set_device_name(&device_id, device_name);
    Ok(Beginning {
        account_id,
        device_id,
        device_key: SigningKey::from_seed(&seed),
        seed,
        kdf,
        keyset_key: KeysetKey::from_master(&master_key),
        master_key,
        keyset: Keyset::generate(account_id, None, &mut OsRandom),
        account_settings: account_settings.encode()?,
        vault_settings: VaultSettings::new("Personal").encode()?,
    })
}

fn new_device() -> Result<(DeviceId, Zeroizing<[u8; 32]>), ClientError> {
    let mut seed = Zeroizing::new([0; 32]);
    OsRandom.fill(&mut *seed);
    Ok((random_id(&mut OsRandom)?, seed))
}

/// The device that waits to be approved, if this folder is one.
fn new_device_in(home: &Home) -> Result<(DeviceId, Zeroizing<[u8; 32]>), ClientError> {
    let (device_id, seed) = new_device()?;
    Ok((home.waiting_device()?.unwrap_or(device_id), seed))
}

/// The first thing that a new device is given, or not, until another one approves it.
async fn keysets(
    api: &Api,
    home: &Home,
    device_id: DeviceId,
    keep_account: &Agreement,
) -> Result<Keysets, ClientError> {
    match api.keysets().await {
        Err(ClientError::AwaitsApproval) => {
            home.wait_as(device_id)?;
            Err(ClientError::NewDeviceWaits { device_id, server: api.server().to_owned() })
        }
        Err(error) if keeps(keep_account, &error).await => {
            api.keep_account().await?;
            api.keysets().await
        }
        answer => answer,
    }
}

/// Whether that was because the account is being deleted, and the person wants to keep it.
async fn keeps(keep_account: &Agreement, error: &ClientError) -> bool {
    match error {
        ClientError::Server(problem) if problem.code == ErrorCode::AccountLeaving => {
            let delete_at_ms = problem.delete_at_ms.unwrap_or_default();
            keep_account.to(Wanted::KeepAccount { delete_at_ms }).await
        }
        _ => false,
    }
}

async fn sign_up_header(
    api: &Api,
    email: &str,
    way: &Way,
    device_id: DeviceId,
) -> Result<SignUpHeader, ClientError> {
    let login_proof = match way {
        Way::LoginPassword(password) => Some(login_proof(email, password)?),
        Way::Browser(_) | Way::DeviceCode(_) | Way::Link { .. } => None,
    };
    let ticket = way.ticket(api, device_id).await?;
    Ok(SignUpHeader { email: email.to_owned(), login_proof, device_id, invitation: None, ticket })
}

/// What says to the server who this is, derived from the login password.
pub(crate) fn login_proof(email: &str, password: &LoginPassword) -> Result<LoginProof, ClientError> {
    let proof = etui_crypto::LoginProof::derive(email, password)?;
    let text = Zeroizing::new(format!("\"{}\"", *proof.to_base64url()));
    Ok(serde_json::from_str(&text).expect("a login proof has its wire form"))
}

async fn newest_state(api: &Api) -> Result<(State, Vec<Vec<u8>>), ClientError> {
    let mut frames = api.newest_state(&mut Evidence::default()).await?;
    let missing = etui_chain::Refusal::Missing.because("the server has no state of this account");
    Ok((frames.states.pop().ok_or(missing)?, frames.named_records))
}

async fn snapshots(api: &Api, state: &State) -> Result<BTreeMap<VaultId, etui_sync::Snapshot>, ClientError> {
    let mut snapshots = BTreeMap::new();
    for vault in &state.vaults {
        snapshots.insert(vault.id, api.snapshot(vault.id, &mut Evidence::default()).await?);
    }
    Ok(snapshots)
}

fn refuse_if_in_use(home: &Home) -> Result<(), ClientError> {
    let in_use = || ClientError::InUse(home.path().to_owned());
    if home.device()?.is_some() { Err(in_use()) } else { Ok(()) }
}
