//! Whoever asked, while the answer is being made: hears how far it is, and is asked for what only the person can say.

use std::{convert::Infallible, pin::Pin, rc::Rc, sync::mpsc::Sender};

use etui_client::Ask;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::protocol::{Reply, Wanted};
use crate::secret::Secret;

/// What goes to the connection.
pub(super) enum Told {
    /// A reply, passed on.
    Reply(Reply),
    /// A reply that sends the person to a page. The other end says nothing until what comes of that is known: `waits` is
    /// dropped when it has gone away.
    Guided { reply: Reply, waits: oneshot::Sender<Infallible> },
    /// A question; the next message from the other end is its answer.
    Wanted { wanted: Wanted, answered: oneshot::Sender<Secret> },
}

/// The way to whoever asked. One who has gone away is no reason to stop half-way, and answers nothing.
#[derive(Clone)]
pub(super) struct Caller(Sender<Told>);

impl Caller {
    pub(super) const fn over(connection: Sender<Told>) -> Self {
        Self(connection)
    }

    /// Passes a reply on; whether anybody is there to take it.
    pub(super) fn tell(&self, reply: Reply) -> bool {
        self.0.send(Told::Reply(reply)).is_ok()
    }

    /// Sends the person to a page; ends when they have gone away.
    pub(super) fn guide(&self, reply: Reply) -> Pin<Box<dyn Future<Output = ()>>> {
        let (waits, gone) = oneshot::channel();
        // Whoever has gone already drops it at once.
        drop(self.0.send(Told::Guided { reply, waits }));
        Box::pin(async { drop(gone.await) })
    }

    /// Asks; nothing where nobody is there.
    pub(super) async fn ask(&self, wanted: Wanted) -> Option<Secret> {
        let (answered, answer) = oneshot::channel();
        self.0.send(Told::Wanted { wanted, answered }).ok()?;
        answer.await.ok()
    }

    /// The same as the client asks.
    pub(super) fn asker(&self) -> Ask {
        let caller = self.clone();
        Rc::new(move |wanted| {
            let caller = caller.clone();
            Box::pin(async move {
                let answer = caller.ask(wanted.into()).await?;
                Some(Zeroizing::new(answer.expose().to_owned()))
            })
        })
    }
}
