//! Looking up names: once an attempt, through the system's own resolver, so that `/etc/hosts` and `resolv.conf` hold as
//! they are now. The system's call cannot be cut short, so look-ups that hang are kept from using up the threads.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use tokio::sync::{Semaphore, oneshot};

/// Gives a name's addresses. A seam for tests; [`SystemResolver`] is the real one.
pub trait Resolve {
    /// All addresses of a name, best first.
    fn resolve(&self, host: &str, port: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// `getaddrinfo`, on the runtime's threads for blocking calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Has the system's resolver read what it needs, on a thread that nobody waits for. If it first does that when no file can
/// be opened any more, it says that there is no such name.
pub fn warm_up() {
    // Whether there is such a name makes no difference, nor whether it was asked for.
    let _ = std::thread::Builder::new().name("resolver".to_owned()).spawn(|| ("localhost", 0).to_socket_addrs());
}

/// Look-ups of one name at a time: so many threads can a name that hangs hold.
const PER_NAME: usize = 4;

/// Look-ups of all names at a time that have not been found to hang. With [`HUNG`] it stays well below the 512 threads
/// that a tokio runtime has for blocking calls.
const AT_A_TIME: usize = 64;

/// Look-ups that hang beside those.
const HUNG: usize = 256;

/// A look-up that takes longer hangs, and gives its place in the queue to others.
const PATIENCE: Duration = Duration::from_secs(1);

/// Names that are remembered before the idle ones are forgotten.
const NAMES: usize = 1024;

/// Bounds the look-ups that are under way.
pub(super) struct Lanes {
    open: Arc<Semaphore>,
    hung: Arc<Semaphore>,
    names: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            open: Arc::new(Semaphore::new(AT_A_TIME)),
            hung: Arc::new(Semaphore::new(HUNG)),
            names: Mutex::default(),
        }
    }
}

impl Lanes {
    /// Looks a name up when its turn comes. Dropping the future leaves the system's call to end by itself, and its
    /// places taken until then.
    pub(super) async fn look_up(&self, resolver: &impl Resolve, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let of_name = self.of_name(host).acquire_owned().await.map_err(io::Error::other)?;
        let place = Arc::clone(&self.open).acquire_owned().await.map_err(io::Error::other)?;
        let hung = Arc::clone(&self.hung);
        let mut answer = resolver.resolve(host, port);
        let (sender, receiver) = oneshot::channel();
        actix_rt::spawn(async move {
            let _of_name = of_name;
            let result = if let Ok(result) = tokio::time::timeout(PATIENCE, &mut answer).await {
                result
            } else {
                // Where too many hang already, this one keeps its place, so that threads stay bounded.
                let hung = hung.try_acquire_owned();
                let _kept = if hung.is_ok() {
                    drop(place);
                    None
                } else {
                    Some(place)
                };
                answer.await
            };
            // Nobody waits any more when the attempt's deadline has passed.
            let _ = sender.send(result);
        });
        receiver.await.map_err(io::Error::other)?
    }

    fn of_name(&self, host: &str) -> Arc<Semaphore> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(semaphore) = names.get(host).and_then(Weak::upgrade) {
            return semaphore;
        }
        if names.len() >= NAMES {
            names.retain(|_, semaphore| semaphore.strong_count() > 0);
        }
        let semaphore = Arc::new(Semaphore::new(PER_NAME));
        names.insert(host.to_owned(), Arc::downgrade(&semaphore));
        semaphore
    }
}
