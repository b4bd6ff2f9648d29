//! The way from one device to the server: it records what passes, can be cut, and can lie.
//!
//! An HTTP proxy inside the test's own process. Answers pass as they come, event streams too; an answer that is to be
//! altered is taken in whole first.

mod pass;
mod traffic;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Method, request};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Barrier, watch},
};

pub use traffic::{Exchange, Observer};

use crate::evil::{Answer, Mutation, Question};
use traffic::Traffic;

/// Where the server is, if there is one: the same for every device of a story.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route(Arc<Mutex<Option<SocketAddr>>>);

/// One device's way to the server. Its address stays while servers come and go.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Dropping it ends every connection.
    _runtime: Runtime,
}

/// What the tasks of a wire share.
struct Shared {
    route: Route,
    cut: watch::Sender<bool>,
    traffic: Traffic,
    mutations: Mutex<Vec<Arc<Active>>>,
    /// Where the next push waits for others.
    meeting: Mutex<Option<Meeting>>,
}

/// Where pushes over several wires wait for each other, to reach the server at once.
#[derive(Debug, Clone)]
pub struct Meeting(Arc<Barrier>);

impl Meeting {
    /// Lets the next push over each of these wires wait for the others.
    pub fn arrange(wires: &[&Wire]) {
        let meeting = Self(Arc::new(Barrier::new(wires.len())));
        for wire in wires {
            *locked(&wire.shared.meeting) = Some(meeting.clone());
        }
    }
}

/// A mutation that is switched on.
struct Active {
    mutation: Mutation,
    told: AtomicUsize,
}

/// A mutation at work; dropped, it is switched off.
#[must_use = "dropped at once, the lie is never told"]
pub struct Lying<'a> {
    wire: &'a Wire,
    active: Arc<Active>,
}

impl Wire {
    /// A wire to wherever the route leads.
    pub(crate) fn to(route: Route) -> Self {
        Self::recording(route, Traffic::default())
    }

    /// A wire from an address to a server, each of whose exchanges is shown to an observer.
    ///
    /// # Errors
    /// If the address is not free, or is none of this machine's.
    pub fn between(listen: SocketAddr, server: SocketAddr, observer: Box<Observer>) -> io::Result<Self> {
        let route = Route::default();
        route.lead_to(server);
        Self::at(listen, route, Traffic::observed_by(observer))
    }

    /// The same, of which no body is kept: for long runs.
    #[cfg(feature = "services-tests")]
    pub(crate) fn of_heads(route: Route) -> Self {
        Self::recording(route, Traffic::of_heads())
    }

    fn recording(route: Route, traffic: Traffic) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::at(any_port, route, traffic).expect("a free port")
    }

    fn at(listen: SocketAddr, route: Route, traffic: Traffic) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            route,
            cut: watch::Sender::new(false),
            traffic,
            mutations: Mutex::default(),
            meeting: Mutex::default(),
        });
        runtime.spawn(pass::accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _runtime: runtime })
    }

    /// The address under which the device knows the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection and lets none through.
    pub fn cut(&self) {
        self.shared.cut.send_replace(true);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.shared.cut.send_replace(false);
    }

    /// Everything that has passed so far, in order of the requests.
    pub fn traffic(&self) -> Vec<Exchange> {
        self.shared.traffic.all()
    }

    /// Switches a mutation on. Several apply in the order in which they were switched on.
    pub fn tell(&self, mutation: Mutation) -> Lying<'_> {
        let active = Arc::new(Active { mutation, told: AtomicUsize::new(0) });
        locked(&self.shared.mutations).push(Arc::clone(&active));
        Lying { wire: self, active }
    }
}

impl Lying<'_> {
    /// How many answers it has altered.
    pub fn times(&self) -> usize {
        self.active.told.load(Ordering::SeqCst)
    }
}

impl Drop for Lying<'_> {
    fn drop(&mut self) {
        locked(&self.wire.shared.mutations).retain(|active| !Arc::ptr_eq(active, &self.active));
    }
}

impl Shared {
    async fn meet(&self, request: &request::Parts) {
        let is_push = request.method == Method::POST && request.uri.path().ends_with("/commits");
        let meeting = if is_push { locked(&self.meeting).take() } else { None };
        if let Some(Meeting(others)) = meeting {
            others.wait().await;
        }
    }

    fn is_honest(&self) -> bool {
        locked(&self.mutations).is_empty()
    }

    /// The mutations that have something to say to this question.
    fn active_for(&self, question: &Question<'_>) -> Vec<Arc<Active>> {
        let active = locked(&self.mutations);
        active.iter().filter(|active| active.mutation.concerns(question)).cloned().collect()
    }
}

impl Active {
    fn alter(&self, question: &Question<'_>, answer: Answer) -> Answer {
        let before = answer.clone();
        let after = self.mutation.alter(question, answer);
        if after != before {
            self.told.fetch_add(1, Ordering::SeqCst);
        }
        after
    }
}

impl Route {
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *locked(&self.0) = Some(server);
    }

    /// Ends at nothing, unless it leads to another server by now.
    pub(crate) fn end(&self, server: SocketAddr) {
        locked(&self.0).take_if(|current| *current == server);
    }

    fn server(&self) -> Option<SocketAddr> {
        *locked(&self.0)
    }
}

/// A test that panicked has said what there is to say.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
