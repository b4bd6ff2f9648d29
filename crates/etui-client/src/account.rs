//! Becoming a device of an account: signing up, signing in on a new device, recovering, unlocking.

use std::collections::BTreeMap;

use etui_api::{
    account::SignUp as SignUpHeader,
    email::normalize_email,
    session::{LoginProof, Token},
    sync::encode_header,
};
use etui_chain::{AccountId, DeviceId, KdfDescriptor, KeysetKind, State, VaultId};
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, LoginPassword, MasterKey, MasterPassword,
    RandomSource as _, RecoveryKit, SigningKey, check_login_choice, check_master_choice,
    check_password_reuse, derive_master_key, random_id, random_salt, self_test,
};
use etui_sync::{AccountDraft, Engine, Step, create_account, join};
use etui_vault::{AccountSettings, VaultSettings};
use zeroize::Zeroizing;

use crate::{
    ClientError, Device, Home, OsRandom,
    api::Api,
    evidence::Evidence,
    home::{DeviceFile, Unlock},
    now_ms,
    store::{Store, key},
    unlock::{self, Unlocked},
};

/// What a person enters to sign up.
pub struct SignUp {
    /// The server's address.
    pub server: String,
    /// The e-mail address that will name the account there.
    pub email: String,
    /// For the server: who are you.
    pub login_password: LoginPassword,
    /// For this device alone: what can you read.
    pub master_password: MasterPassword,
    /// A name for this device, sealed in the account settings.
    pub device_name: String,
}

/// What a person enters to sign in on a device.
pub struct LogIn {
    /// The server's address.
    pub server: String,
    /// The account's e-mail address.
    pub email: String,
    /// For the server: who are you.
    pub login_password: LoginPassword,
    /// For this device alone: what can you read.
    pub master_password: MasterPassword,
    /// A name for this device, sealed in the account settings.
    pub device_name: String,
}

impl Device {
    /// Makes a new account and this its first device.
    ///
    /// # Errors
    /// [`ClientError::Choice`] for a weak password, `password_reuse` for two that are alike; what the server answers.
    pub async fn sign_up(home: &Home, sign_up: SignUp) -> Result<Self, ClientError> {
        self_test()?;
        refuse_if_in_use(home)?;
        let SignUp { server, email, login_password, master_password, device_name } = sign_up;
        check_login_choice(&login_password)
            .map_err(|fault| ClientError::Choice { which: "the login password", fault })?;
        check_choice(&master_password, &email)?;
        check_password_reuse(&login_password, &master_password)?;

        let api = Api::new(&server)?;
        let new = new_account(&master_password, &device_name)?;
        let header = SignUpHeader {
            email: email.clone(),
            login_proof: login_proof(&email, &login_password)?,
            device_id: new.device_id,
        };
        let (account, vault_keys) = create_account(&new.draft(), &mut OsRandom)?;
        let frames = account.frames(&encode_header(&header));
        let master_record = account.master_keyset().to_vec();
        let state = account.state().clone();
        api.sign_up(frames).await?;

        let step = account.into_step(new.device_id)?;
        let unlock = way_in_of(&state, master_record);
        let keys = Unlocked { keyset: new.keyset, vault_keys, device_key: SigningKey::from_seed(&new.seed) };
        let place = Place { home, email: &email, device_id: new.device_id, seed: &new.seed, unlock };
        place.settle(api, &new.master_key, step, |_, _| Ok(keys))
    }

    /// Signs in. On a new device this fetches and verifies everything and lists the device; on a device that is set up
    /// already it begins a new session and unlocks.
    ///
    /// # Errors
    /// [`ClientError::SignInFailed`], [`ClientError::WrongMasterPassword`], [`ClientError::OtherAccount`], or the name
    /// by which the server's data was refused; then nothing is set up.
    pub async fn log_in(home: &Home, log_in: LogIn) -> Result<Self, ClientError> {
        self_test()?;
        let LogIn { server, email, login_password, master_password, device_name } = log_in;
        check_password_reuse(&login_password, &master_password)?;
        if home.device()?.is_some() {
            return sign_in_again(home, &server, &email, &login_password, &master_password).await;
        }
        let api = Api::new(&server)?;
        let (device_id, seed) = new_device()?;
        let session = api.sign_in(&email, login_proof(&email, &login_password)?, device_id).await?;
        let unlock = unlock::way_in(&api.keysets().await?, KeysetKind::Master)?;
        let (state, named_records) = newest_state(&api).await?;
        let (master_key, keyset) =
            unlock::open_with_password(&unlock, &state, &master_password, session.account_id)?;

        let snapshots = snapshots(&api, &state).await?;
        let step = join(device_id, state, named_records, snapshots)?;
        let place = Place { home, email: &email, device_id, seed: &seed, unlock };
        let device = place.settle(api, &master_key, step, |engine, store| {
            let vault_keys = unlock::vault_keys(engine.state(), &keyset, store)?;
            Ok(Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) })
        })?;
        device.list_this_device(&device_name).await?;
        Ok(device)
    }

    /// Opens the account with its Recovery Kit on a new device and gives it a new master password.
    ///
    /// # Errors
    /// As [`Self::log_in`]; `commitment` if the kit is not this account's.
    pub async fn recover(
        home: &Home,
        server: String,
        email: String,
        login_password: LoginPassword,
        kit: RecoveryKit,
        new_master_password: MasterPassword,
        device_name: String,
    ) -> Result<Self, ClientError> {
        self_test()?;
        refuse_if_in_use(home)?;
        check_choice(&new_master_password, &email)?;
        check_password_reuse(&login_password, &new_master_password)?;
        let api = Api::new(&server)?;
        let (device_id, seed) = new_device()?;
        api.sign_in(&email, login_proof(&email, &login_password)?, device_id).await?;
        let unlock = unlock::way_in(&api.keysets().await?, KeysetKind::Recovery)?;
        let (state, named_records) = newest_state(&api).await?;
        let keyset = unlock::open_with_kit(&unlock, &state, &kit)?;

        let snapshots = snapshots(&api, &state).await?;
        let account_id = state.account_id;
        let step = join(device_id, state, named_records, snapshots)?;
        let (kdf, master_key) = fresh_master_key(&new_master_password, account_id)?;
        // Until the new master password is confirmed below, the plain file holds a keyset that it does not open; the
        // folder is then set up again by the same command.
        let unlock = Unlock { kdf, ..unlock };
        let place = Place { home, email: &email, device_id, seed: &seed, unlock };
        let device = place.settle(api, &master_key, step, |engine, store| {
            let vault_keys = unlock::vault_keys(engine.state(), &keyset, store)?;
            Ok(Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) })
        })?;
        let finished = async {
            device.list_this_device(&device_name).await?;
            device.put_master_keyset(kdf, &master_key).await
        };
        if let Err(error) = finished.await {
            drop(device);
            home.remove_device()?;
            return Err(error);
        }
        Ok(device)
    }

    /// Unlocks what is on this device. No server is asked.
    ///
    /// # Errors
    /// [`ClientError::WrongMasterPassword`], [`ClientError::NoDevice`], or what the local store shows.
    #[expect(clippy::unused_async, reason = "in the browser the store answers asynchronously")]
    pub async fn unlock(home: &Home, master_password: &MasterPassword) -> Result<Self, ClientError> {
        self_test()?;
        let file = home.device()?.ok_or(ClientError::NoDevice)?;
        let (store, keyset) = open_store(home, &file, master_password)?;
        let engine = Engine::restore(file.device_id, store.account()?)?;
        if engine.state().identity_key != keyset.identity().public_key() {
            return Err(etui_chain::Refusal::StateSignature
                .because("the keyset on this device is not of the account in its store")
                .into());
        }
        let vault_keys = unlock::vault_keys(engine.state(), &keyset, &store)?;
        let seed = store.value(key::SIGNING_SEED)?.ok_or_else(no_seed)?;
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| no_seed())?);
        let keys = Unlocked { keyset, vault_keys, device_key: SigningKey::from_seed(&seed) };
        let api = Api::new(&file.server)?;
        api.resume(stored_token(&store)?);
        Self::assemble(home.clone(), api, store, engine, keys)
    }
}

/// Refuses a weak master password.
pub(crate) fn check_choice(password: &MasterPassword, email: &str) -> Result<(), ClientError> {
    check_master_choice(password, &[email])
        .map_err(|fault| ClientError::Choice { which: "the master password", fault })
}

/// A new salt and the key that the password gives with it, at the default cost.
pub(crate) fn fresh_master_key(
    password: &MasterPassword,
    account_id: AccountId,
) -> Result<(KdfDescriptor, MasterKey), ClientError> {
    let kdf = KdfParameters::FLOOR.describe(random_salt(&mut OsRandom), false);
    let checked = CheckedKdf::new(kdf, None)?;
    Ok((kdf, derive_master_key(password, None, &checked, account_id)?))
}

/// A folder about to become a device's.
struct Place<'a> {
    home: &'a Home,
    email: &'a str,
    device_id: DeviceId,
    seed: &'a [u8; 32],
    unlock: Unlock,
}

impl Place<'_> {
    /// Makes the local store with everything in it, and the plain file last: a folder without it is set up anew.
    fn settle(
        self,
        api: Api,
        master_key: &MasterKey,
        step: Step,
        keys: impl FnOnce(&Engine, &Store) -> Result<Unlocked, ClientError>,
    ) -> Result<Device, ClientError> {
        self.home.create()?;
        self.home.remove_device()?;
        let mut store = Store::create(&self.home.store_path(), &master_key.local_store_key(self.device_id))?;
        store.set_value(key::SIGNING_SEED, Some(self.seed))?;
        store.set_value(key::EMAIL, Some(self.email.as_bytes()))?;
        if let Some(token) = api.refresh_token() {
            store.set_value(key::REFRESH_TOKEN, Some(token.expose().as_bytes()))?;
        }
        store.apply(&step.writes)?;
        let keys = keys(&step.engine, &store)?;
        self.home.write_device(&DeviceFile {
            server: api.server().to_owned(),
            account_id: step.engine.account_id(),
            device_id: self.device_id,
            unlock: vec![self.unlock],
        })?;
        Device::assemble(self.home.clone(), api, store, step.engine, keys)
    }
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

fn new_account(master_password: &MasterPassword, device_name: &str) -> Result<Beginning, ClientError> {
    let account_id = random_id(&mut OsRandom)?;
    let (device_id, seed) = new_device()?;
    let (kdf, master_key) = fresh_master_key(master_password, account_id)?;
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

fn way_in_of(state: &State, record: Vec<u8>) -> Unlock {
    let keyset = &state.keysets[0];
    Unlock { kdf: state.kdf, keyset_id: keyset.id, version: keyset.version, record }
}

fn login_proof(email: &str, password: &LoginPassword) -> Result<LoginProof, ClientError> {
    let proof = etui_crypto::LoginProof::derive(email, password)?;
    let text = Zeroizing::new(format!("\"{}\"", *proof.to_base64url()));
    Ok(serde_json::from_str(&text).expect("a login proof has its wire form"))
}

async fn newest_state(api: &Api) -> Result<(State, Vec<Vec<u8>>), ClientError> {
    let mut frames = api.states(None, &mut Evidence::default()).await?;
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

/// A new session for a device that is set up; the local copy stays what it is.
async fn sign_in_again(
    home: &Home,
    server: &str,
    email: &str,
    login_password: &LoginPassword,
    master_password: &MasterPassword,
) -> Result<Device, ClientError> {
    let device = Device::unlock(home, master_password).await?;
    let same = normalize_email(email) == normalize_email(&device.email())
        && server.trim_end_matches('/') == device.server();
    if !same {
        return Err(ClientError::OtherAccount);
    }
    device.begin_session(email, login_proof(email, login_password)?).await?;
    Ok(device)
}

/// Opens the store by whichever listed way the password fits.
fn open_store(
    home: &Home,
    file: &DeviceFile,
    password: &MasterPassword,
) -> Result<(Store, Keyset), ClientError> {
    for unlock in &file.unlock {
        let master_key = unlock::derive(password, unlock.kdf, Some(&unlock.kdf), file.account_id)?;
        let keyset = match unlock::open(&KeysetKey::from_master(&master_key), unlock) {
            Err(ClientError::WrongMasterPassword) => continue,
            other => other?,
        };
        if let Some(store) = Store::open(&home.store_path(), &master_key.local_store_key(file.device_id))? {
            if file.unlock.len() > 1 {
                home.write_device(&DeviceFile { unlock: vec![unlock.clone()], ..file.clone() })?;
            }
            return Ok((store, keyset));
        }
    }
    Err(ClientError::WrongMasterPassword)
}

fn stored_token(store: &Store) -> Result<Option<Token>, ClientError> {
    let bytes = store.value(key::REFRESH_TOKEN)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).map(Token::new))
}

fn refuse_if_in_use(home: &Home) -> Result<(), ClientError> {
    if home.device()?.is_some() { Err(ClientError::OtherAccount) } else { Ok(()) }
}

fn no_seed() -> ClientError {
    ClientError::Damaged("the local store has no signing key".to_owned())
}
