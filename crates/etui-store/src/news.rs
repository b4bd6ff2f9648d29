//! Live news between nodes, over PostgreSQL's `LISTEN` and `NOTIFY`.
//!
//! News only ever say "pull", so they may be late, twice, or merged; but none may be lost without anybody noticing. A
//! node whose connection was lost tells all its readers to pull, and what could not be sent is sent as that.

use std::{io, mem, sync::Arc, time::Duration};

use etui_api::sync::Event;
use etui_chain::AccountId;
use sea_orm::{
    DatabaseConnection, DbErr, RuntimeErr, Value,
    sqlx::{
        self, Executor as _,
        postgres::{PgListener, PgNotification},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::AbortHandle,
    time::timeout,
};

use crate::{Store, StoreError, notice, random_bytes, sql, store::WeakStore};

const CHANNEL: &str = "etui_news";
/// News that wait to be sent; beyond that everybody is told to pull.
const MAX_WAITING: usize = 4096;
/// News in one notification: PostgreSQL takes less than 8,000 bytes, one of ours has below 140.
const MAX_TOGETHER: usize = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// After so long without any news the connection is tried: it may be dead without anybody having said so.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it has to answer then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the other nodes; it ends when this is dropped.
pub(crate) struct News {
    outgoing: mpsc::Sender<Item>,
    tasks: [AbortHandle; 2],
}

/// What one node tells the others.
#[derive(Serialize, Deserialize)]
struct Message {
    /// The node that sends: it has told its own readers already.
    node: [u8; 16],
    items: Vec<Item>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Item {
    News(AccountId, Event),
    /// Some were lost: everybody pulls.
    Lost,
}

impl News {
    /// Listens, and only then returns: whatever is committed afterwards is heard of.
    pub(crate) async fn start(store: WeakStore, database: DatabaseConnection) -> Result<Self, StoreError> {
        let node = random_bytes()?;
        let listener = listener(&database).await.map_err(listening_failed)?;
        let (outgoing, waiting) = mpsc::channel(MAX_WAITING);
        let tasks = [
            tokio::spawn(listen(listener, database.clone(), node, store)).abort_handle(),
            tokio::spawn(send(database, node, waiting)).abort_handle(),
        ];
        Ok(Self { outgoing, tasks })
    }

    /// Tells the other nodes, some time soon.
    pub(crate) fn tell(&self, account_id: AccountId, event: Event) {
        // A full queue ends with a word to everybody; see `send`.
        if let Err(TrySendError::Full(_)) = self.outgoing.try_send(Item::News(account_id, event)) {
            notice::trouble("news for other nodes wait too long");
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Sends what waits, many together, over and over until the database has taken it.
async fn send(database: DatabaseConnection, node: [u8; 16], mut waiting: mpsc::Receiver<Item>) {
    let mut items = Vec::new();
    while waiting.recv_many(&mut items, MAX_TOGETHER).await > 0 {
        if waiting.len() + MAX_TOGETHER >= MAX_WAITING {
            // The queue is, or soon will be, full: one word stands for all that are in it.
            while waiting.try_recv().is_ok() {}
            items = vec![Item::Lost];
        }
        let message = Message { node, items: mem::take(&mut items) };
        let text = serde_json::to_string(&message).expect("a message is plain JSON");
        while let Err(error) = notify(&database, &text).await {
            notice::failure("news could not be sent to other nodes", &error);
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

async fn notify(database: &DatabaseConnection, text: &str) -> Result<(), StoreError> {
    const NOTIFY: &str = "SELECT pg_notify($1, $2)";
    let values: [Value; 2] = [CHANNEL.into(), text.into()];
    sql::row(database, "telling other nodes", NOTIFY, values).await.map(drop)
}

async fn listener(database: &DatabaseConnection) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(database.get_postgres_connection_pool()).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

fn listening_failed(error: sqlx::Error) -> StoreError {
    sql::failed("listening for news from other nodes")(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
}

/// Tells this node's readers what others say, until the store is closed or gone.
async fn listen(mut listener: PgListener, database: DatabaseConnection, node: [u8; 16], store: WeakStore) {
    loop {
        let heard = match next(&mut listener).await {
            Ok(heard) => heard,
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                notice::failure("news from other nodes cannot be heard", &listening_failed(error));
                match listen_again(&database).await {
                    Some(again) => listener = again,
                    None => return,
                }
                None
            }
        };
        let Some(store) = store.upgrade() else { return };
        match heard {
            Some(notification) => pass_on(&store, node, &notification),
            // The connection was lost and is there again; nobody knows what was said meanwhile.
            None => store.inner().events.tell_all_to_pull(),
        }
    }
}

/// What is heard next; `None` where the connection was lost.
async fn next(listener: &mut PgListener) -> Result<Option<PgNotification>, sqlx::Error> {
    let silent = |_| sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(heard) => return heard,
            Err(_) => timeout(PATIENCE, listener.execute("SELECT 1")).await.map_err(silent)??,
        };
    }
}

/// Over a new connection; `None` once the store is closed.
async fn listen_again(database: &DatabaseConnection) -> Option<PgListener> {
    loop {
        tokio::time::sleep(BETWEEN_TRIES).await;
        match listener(database).await {
            Ok(listener) => return Some(listener),
            Err(sqlx::Error::PoolClosed) => return None,
            Err(_) => {}
        }
    }
}

fn pass_on(store: &Store, node: [u8; 16], notification: &PgNotification) {
    let events = &store.inner().events;
    match serde_json::from_str::<Message>(notification.payload()) {
        Ok(message) if message.node == node => {}
        Ok(message) => {
            for item in message.items {
                match item {
                    Item::News(account_id, event) => events.publish(account_id, event),
                    Item::Lost => events.tell_all_to_pull(),
                }
            }
        }
        // Another version of this program says something that this one does not know.
        Err(_) => events.tell_all_to_pull(),
    }
}
