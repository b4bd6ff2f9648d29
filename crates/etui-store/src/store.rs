//! The store's public face.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use etui_api::{
    account::{Devices, Keysets},
    sync::{Event, Healed, PullHeader, Pushed, StatePushed},
};
use etui_chain::{AccountId, DeviceId, Digest, ObjectId, State, VaultId};
use futures_util::stream::{BoxStream, Stream};

use crate::{
    Authority, CommitUpload, HealUpload, Login, LoginHash, NewAccount, NewSession, Rotation, SessionId,
    StateUpload, StoreError,
};

/// Encoded frames, in chunks of about 64 KiB, from the header to the end of the sequence.
pub type FrameStream = BoxStream<'static, Result<Bytes, StoreError>>;

/// Where the store keeps its data.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The folder of the database and the segments; made, readable by its owner alone, if it does not exist.
    pub data: PathBuf,
}

/// What a collection of garbage removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Segments that no object referred to any more.
    pub segments: u32,
    /// Objects of the object store that no row knew.
    pub orphans: u32,
    /// Sessions past their end.
    pub sessions: u32,
}

/// The server's persistence. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Store;

#[expect(unused_variables, clippy::todo, clippy::unused_async, reason = "signatures first")]
impl Store {
    /// Opens the store in its folder, bringing the tables up to this version.
    ///
    /// # Errors
    /// `Folder`, `NewerSchema`, `Database`.
    pub async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        todo!()
    }
    /// Waits for what is being written and closes the database.
    pub async fn close(&self) {
        todo!()
    }
    /// Whether the database answers.
    ///
    /// # Errors
    /// `Database`.
    pub async fn ready(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Makes an account with its first state and session.
    ///
    /// # Errors
    /// `Refused`, `AccountExists`, `StorageFull`.
    pub async fn create_account(&self, account: NewAccount, now_ms: u64) -> Result<Authority, StoreError> {
        todo!()
    }
    /// Removes the account, its rows and its objects.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn delete_account(&self, authority: &Authority) -> Result<(), StoreError> {
        todo!()
    }
    /// The account of a normalised address.
    ///
    /// # Errors
    /// `Database`.
    pub async fn login(&self, email: &str) -> Result<Option<Login>, StoreError> {
        todo!()
    }
    /// Replaces the hash of the login proof, when its parameters have risen.
    ///
    /// # Errors
    /// `Database`.
    pub async fn replace_login_hash(
        &self,
        authority: &Authority,
        login_hash: LoginHash,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Begins a session for a device whose login proof was verified. A device has one session: an older one ends.
    ///
    /// # Errors
    /// `NotFound` if the account is gone.
    pub async fn create_session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        session: NewSession,
        now_ms: u64,
    ) -> Result<Authority, StoreError> {
        todo!()
    }
    /// Looks a session up: `None` if it has ended. To be asked anew for every request.
    ///
    /// # Errors
    /// `Database`.
    pub async fn authority(
        &self,
        session_id: SessionId,
        now_ms: u64,
    ) -> Result<Option<Authority>, StoreError> {
        todo!()
    }
    /// Exchanges a refresh token, by the SHA-256 of the presented and of the next one.
    ///
    /// # Errors
    /// `Database`.
    pub async fn rotate_refresh(
        &self,
        presented: Digest,
        next: Digest,
        expires_ms: u64,
        now_ms: u64,
    ) -> Result<Rotation, StoreError> {
        todo!()
    }
    /// Ends the session that asks.
    ///
    /// # Errors
    /// `Database`.
    pub async fn end_session(&self, authority: &Authority) -> Result<(), StoreError> {
        todo!()
    }
    /// Ends every session of a device of this account.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub async fn end_device_sessions(
        &self,
        authority: &Authority,
        device_id: DeviceId,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// Notes that the session is in use; writes at most once a minute.
    ///
    /// # Errors
    /// `Database`.
    pub async fn touch(&self, authority: &Authority, now_ms: u64) -> Result<(), StoreError> {
        todo!()
    }

    /// Devices with a live session, and those that the newest state lists.
    ///
    /// # Errors
    /// `Database`.
    pub async fn devices(&self, authority: &Authority, now_ms: u64) -> Result<Devices, StoreError> {
        todo!()
    }
    /// The newest state.
    ///
    /// # Errors
    /// `Database`.
    pub async fn newest_state(&self, authority: &Authority) -> Result<State, StoreError> {
        todo!()
    }
    /// What a device needs to unlock, from the newest state.
    ///
    /// # Errors
    /// `Database`.
    pub async fn keysets(&self, authority: &Authority) -> Result<Keysets, StoreError> {
        todo!()
    }
    /// The answer to `GET /v1/states`, with its header and end.
    ///
    /// # Errors
    /// `Database`.
    pub async fn states_after(
        &self,
        authority: &Authority,
        after: Option<u64>,
    ) -> Result<FrameStream, StoreError> {
        todo!()
    }
    /// Takes a state with what it brings.
    ///
    /// # Errors
    /// `Refused`, `StateMoved`, `StorageFull`.
    pub async fn push_state(
        &self,
        authority: &Authority,
        upload: StateUpload,
        now_ms: u64,
    ) -> Result<StatePushed, StoreError> {
        todo!()
    }

    /// Takes a commit with its records.
    ///
    /// # Errors
    /// `Refused`, `HeadMoved`, `StateMoved`, `NotFound`, `StorageFull`.
    pub async fn push(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        upload: CommitUpload,
        now_ms: u64,
    ) -> Result<Pushed, StoreError> {
        todo!()
    }
    /// The answer to `GET …/changes`: its header, and all of it as encoded frames (header and end included).
    ///
    /// # Errors
    /// `NotFound`; the stream may fail later.
    pub async fn changes(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        after: u64,
    ) -> Result<(PullHeader, FrameStream), StoreError> {
        todo!()
    }
    /// The answer to `GET …/commits`, with its end.
    ///
    /// # Errors
    /// `NotFound`; the stream may fail later.
    pub async fn commits(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        after: u64,
    ) -> Result<FrameStream, StoreError> {
        todo!()
    }
    /// The record of a live object.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn record(
        &self,
        authority: &Authority,
        vault_id: VaultId,
        object_id: ObjectId,
    ) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
    /// Puts back what a restored server has lost; all of it or nothing.
    ///
    /// # Errors
    /// `Refused` (`fork` for another commit or state at a held place), `StateMoved`, `StorageFull`.
    pub async fn heal(
        &self,
        authority: &Authority,
        upload: HealUpload,
        now_ms: u64,
    ) -> Result<Healed, StoreError> {
        todo!()
    }

    /// Live news of the account. A slow reader loses events and is told the newest state instead, which means: pull.
    pub fn subscribe(&self, authority: &Authority) -> impl Stream<Item = Event> + Send + use<> {
        futures_util::stream::pending()
    }

    /// Removes what nothing refers to any more and has not for `grace`, which must exceed the longest push and pull.
    ///
    /// # Errors
    /// `Database`, `Blobs`.
    pub async fn collect_garbage(&self, now_ms: u64, grace: Duration) -> Result<Collected, StoreError> {
        todo!()
    }
}
