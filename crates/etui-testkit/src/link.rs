//! A way for bytes that can be broken, silenced, and led elsewhere: what a test puts between a node and its database.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
    sync::watch,
};

/// One address that leads to another one; it ends when dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Dropping it ends every connection.
    _runtime: Runtime,
}

struct Shared {
    target: Mutex<SocketAddr>,
    /// Whether nothing passes now.
    silent: watch::Sender<bool>,
    /// The connections of an abandoned target are of an older generation, and nothing passes over them ever again.
    generation: watch::Sender<u64>,
}

impl Link {
    /// A link to an address.
    pub fn to(target: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            silent: watch::Sender::new(false),
            generation: watch::Sender::new(0),
        });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _runtime: runtime }
    }

    /// The address that stays.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets nothing pass and tells nobody, as a network does that drops packets.
    pub fn silence(&self) {
        self.shared.silent.send_replace(true);
    }

    /// Lets everything pass again, what was sent meanwhile included.
    pub fn mend(&self) {
        self.shared.silent.send_replace(false);
    }

    /// Leads new connections to another address; those that there are go on.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Leads new connections to another address, and of those that there are nothing is ever heard again: the machine at
    /// their end is gone.
    pub fn abandon_for(&self, target: SocketAddr) {
        self.lead_to(target);
        self.shared.generation.send_modify(|generation| *generation += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(relay(stream, Arc::clone(&shared)));
    }
}

/// One connection. Where nobody listens it just ends.
async fn relay(near: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let generation = *shared.generation.borrow();
    shared.until_it_passes(generation).await;
    let target = *shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    let far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::try_join!(
        carry(near_read, far_write, &shared, generation),
        carry(far_read, near_write, &shared, generation)
    )?;
    Ok(())
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    generation: u64,
) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes).await;
        // An end, too, is something that one has to hear of.
        shared.until_it_passes(generation).await;
        match read? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => to.write_all(&bytes[..length]).await?,
        }
    }
}

impl Shared {
    async fn until_it_passes(&self, generation: u64) {
        if *self.generation.borrow() != generation {
            return std::future::pending().await;
        }
        let mut silent = self.silent.subscribe();
        // The sender is here, so it cannot be gone.
        let _ = silent.wait_for(|silent| !*silent).await;
        if *self.generation.borrow() != generation {
            std::future::pending::<()>().await;
        }
    }
}
