//! An account driven by the engine alone, so that what the server is asked is known to the byte.

use anyhow::Context as _;
use bytes::Bytes;
use etui_api::{
    account::SignUp,
    frame,
    session::{LoginProof, Session, SignIn, Token},
    sync::{Pushed, encode_header},
};
use etui_chain::{DeviceId, ObjectId, RecordType, Refusal, Refused, VaultId};
use etui_client::{OsRandom, now_ms};
use etui_crypto::{
    CheckedKdf, KdfParameters, Keyset, KeysetKey, LoginPassword, MasterPassword, RandomSource as _,
    SigningKey, derive_master_key, random_id, random_salt,
};
use etui_sync::{
    AccountDraft, Context, Edit, Engine, Merge, MergedBody, VaultKeys, create_account, push_frames,
};
use etui_vault::{AccountSettings, VaultSettings};

use crate::http::Connection;

/// Of the account that most figures are about.
pub(crate) const EMAIL: &str = "bench@example.org";
const LOGIN_PASSWORD: &str = "bench-login-Vp3!kd";
const MASTER_PASSWORD: &str = "velvet harbour maple quilt";

/// A signed-in account with one vault.
pub(crate) struct Account {
    engine: Engine,
    vault_keys: VaultKeys,
    device_key: SigningKey,
    token: Token,
    /// Bytes of the records pushed last, one after the other.
    pub(crate) pushed_record_bytes: u64,
    /// The last of them, as a device has it in its store.
    last_record: Vec<u8>,
}

impl Account {
    /// Signs up.
    pub(crate) async fn create(connection: &mut Connection, email: &str) -> anyhow::Result<Self> {
        let account_id = random_id(&mut OsRandom)?;
        let device_id: DeviceId = random_id(&mut OsRandom)?;
        let mut seed = [0; 32];
        OsRandom.fill(&mut seed);
        let device_key = SigningKey::from_seed(&seed);
        let kdf = KdfParameters::FLOOR.describe(random_salt(&mut OsRandom), false);
        let password = MasterPassword::new(MASTER_PASSWORD)?;
        let master_key = derive_master_key(&password, None, &CheckedKdf::new(kdf, None)?, account_id)?;
        let (account, vault_keys) = create_account(
            &AccountDraft {
                account_id,
                device_id,
                device_key: &device_key,
                kdf,
                master_key: &KeysetKey::from_master(&master_key),
                keyset: &Keyset::generate(account_id, None, &mut OsRandom),
                account_settings: &AccountSettings::new().encode()?,
                vault_settings: &VaultSettings::new("Personal").encode()?,
                now_ms: now_ms(),
            },
            &mut OsRandom,
        )?;
        let header = SignUp::with_login_proof(email.to_owned(), login_proof(email)?, device_id);
        let body = account.frames(&encode_header(&header)).into();
        let answer = connection.post("/v1/accounts", None, frame::CONTENT_TYPE, body).await?;
        let session: Session = serde_json::from_slice(&answer)?;
        let engine = account.into_step(device_id)?.engine;
        Ok(Self {
            engine,
            vault_keys,
            device_key,
            token: session.access_token,
            pushed_record_bytes: 0,
            last_record: Vec::new(),
        })
    }

    /// The body of signing in as one more device.
    pub(crate) fn sign_in_body(email: &str) -> anyhow::Result<Bytes> {
        let sign_in = SignIn {
            email: email.to_owned(),
            login_proof: login_proof(email)?,
            device_id: random_id(&mut OsRandom)?,
        };
        Ok(serde_json::to_vec(&sign_in)?.into())
    }

    pub(crate) fn token(&self) -> &str {
        self.token.expose()
    }

    pub(crate) fn vault_id(&self) -> anyhow::Result<VaultId> {
        self.engine.default_vault().context("the account has a vault")
    }

    pub(crate) fn head_seq(&self) -> anyhow::Result<u64> {
        Ok(self.engine.head(&self.vault_id()?).seq)
    }

    /// Seals and signs new entries as one commit, ready to be sent; the ids of the entries.
    pub(crate) fn prepare(&mut self, bodies: &[Vec<u8>]) -> anyhow::Result<(Bytes, Vec<ObjectId>)> {
        let ids = bodies.iter().map(|_| random_id(&mut OsRandom)).collect::<Result<Vec<_>, _>>()?;
        let edits = ids.iter().zip(bodies).map(|(object_id, body)| Edit::Create {
            object_id: *object_id,
            record_type: RecordType::Entry,
            body,
        });
        let body = self.seal(edits.collect())?;
        Ok((body, ids))
    }

    /// The same for new content of the entry that was pushed last.
    pub(crate) fn prepare_change(&mut self, object_id: ObjectId, body: &[u8]) -> anyhow::Result<Bytes> {
        let synced = Some(self.last_record.clone());
        self.seal(vec![Edit::Change { object_id, record_type: RecordType::Entry, body, synced }])
    }

    fn seal(&mut self, edits: Vec<Edit<'_>>) -> anyhow::Result<Bytes> {
        let vault_id = self.vault_id()?;
        let mut random = OsRandom;
        let mut context = Context {
            vault_keys: &self.vault_keys,
            device_key: &self.device_key,
            merge: &NeverMerges,
            random: &mut random,
            now_ms: now_ms(),
        };
        let edited = self.engine.edit(vault_id, edits, &mut context)?.engine;
        let prepared =
            edited.prepare_push(vault_id, usize::MAX, &mut context)?.context("there is something to push")?;
        self.engine = prepared.engine;
        let in_flight = self.engine.in_flight(&vault_id).context("a commit is on its way")?;
        self.pushed_record_bytes = in_flight
            .changes
            .iter()
            .filter_map(|change| change.record())
            .map(|record| record.len() as u64)
            .sum();
        let last = in_flight.changes.iter().rev().find_map(|change| change.record());
        self.last_record = last.context("a record is pushed")?.to_vec();
        Ok(push_frames(in_flight).into())
    }

    /// Sends a prepared commit.
    pub(crate) async fn push(&mut self, connection: &mut Connection, body: Bytes) -> anyhow::Result<()> {
        let path = format!("/v1/vaults/{}/commits", self.vault_id()?);
        let answer = connection.post(&path, Some(self.token.expose()), frame::CONTENT_TYPE, body).await?;
        let pushed: Pushed = serde_json::from_slice(&answer)?;
        self.engine = self.engine.confirm_push(self.vault_id()?, pushed.head)?.engine;
        Ok(())
    }
}

fn login_proof(email: &str) -> anyhow::Result<LoginProof> {
    let proof = etui_crypto::LoginProof::derive(email, &LoginPassword::new(LOGIN_PASSWORD)?)?;
    Ok(serde_json::from_value(serde_json::Value::String(proof.to_base64url().to_string()))?)
}

/// One device alone has nothing to merge.
struct NeverMerges;

impl Merge for NeverMerges {
    fn merge(&self, _: RecordType, _: &[u8], _: &[u8], _: &[u8], _: u64) -> Result<MergedBody, Refused> {
        Err(Refusal::Format.because("nothing is merged here"))
    }
}
