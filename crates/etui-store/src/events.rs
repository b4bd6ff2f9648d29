//! Live news, per account, for the readers of this node.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use etui_api::sync::Event;
use etui_chain::AccountId;
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{Authority, Store};

/// Events that a reader may be behind before it is told to pull instead.
const CAPACITY: usize = 16;

#[derive(Default)]
pub(crate) struct Events {
    senders: Mutex<HashMap<AccountId, broadcast::Sender<Told>>>,
}

/// What a reader is told.
#[derive(Debug, Clone, Copy)]
enum Told {
    Event(Event),
    /// Something was missed: look for yourself.
    Pull,
}

impl Store {
    /// Live news of the account from now on. Each only says: pull. A reader that falls behind is told the newest state
    /// in place of what it missed.
    pub fn subscribe(&self, authority: &Authority) -> impl Stream<Item = Event> + Send + use<> {
        let receiver = self.inner().events.subscribe(authority.account_id());
        stream::unfold(
            (receiver, self.clone(), authority.clone()),
            |(mut receiver, store, authority)| async {
                let event = match receiver.recv().await {
                    Ok(Told::Event(event)) => event,
                    Ok(Told::Pull) | Err(RecvError::Lagged(_)) => store.resync(&authority).await?,
                    Err(RecvError::Closed) => return None,
                };
                Some((event, (receiver, store, authority)))
            },
        )
    }

    /// Without an answer the stream ends: the reader connects again, which is a resync too.
    async fn resync(&self, authority: &Authority) -> Option<Event> {
        let state = self.newest_state(authority).await.ok()?;
        Some(Event::State { version: state.version })
    }
}

impl Events {
    /// Tells those who listen, if any.
    pub(crate) fn publish(&self, account_id: AccountId, event: Event) {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(&account_id) {
            // Fails only when the last listener has just gone.
            let _ = sender.send(Told::Event(event));
        }
    }

    /// For when nobody knows what was missed.
    pub(crate) fn tell_all_to_pull(&self) {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in senders.values() {
            let _ = sender.send(Told::Pull);
        }
    }

    /// Ends the streams of an account that is gone.
    pub(crate) fn forget(&self, account_id: AccountId) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&account_id);
    }

    fn subscribe(&self, account_id: AccountId) -> broadcast::Receiver<Told> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.retain(|_, sender| sender.receiver_count() > 0);
        senders.entry(account_id).or_insert_with(|| broadcast::channel(CAPACITY).0).subscribe()
    }
}
