//! The connections that a thread keeps, by where they go: scheme, authority and the one address that was checked. A
//! kept connection can so never lead to another address than the attempt's own check allows. The connections to a place
//! are a link, which is let go after a while without use, and renewed now and then.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{http2::Http2, socket::Socket};

/// Links that a thread keeps, at most.
const MAX_LINKS: usize = 256;

/// A connection that was not used for so long is let go, and so is a link.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A link of this age is not used again, so that a receiver which moved is soon found at its new place.
const MAX_AGE: Duration = Duration::from_mins(2);

/// Between two looks for idle links.
const SWEEP: Duration = Duration::from_secs(10);

/// Where a link goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) https: bool,
    /// Host and port, as in the `Host` header.
    pub(super) authority: Rc<str>,
    pub(super) address: SocketAddr,
}

/// The connections to one place.
pub(super) struct Link {
    /// Its connections go to this address alone.
    pub(super) place: Place,
    /// Those that wait for another request, the one used last at the end.
    idle: RefCell<Vec<Idle>>,
    /// The connection that turned out to speak HTTP/2.
    pub(super) http2: RefCell<Option<Rc<Http2>>>,
    made: Instant,
    used: Cell<Instant>,
}

/// A connection that waits.
struct Idle {
    socket: Socket,
    since: Instant,
}

/// All links of a thread.
#[derive(Default)]
pub(super) struct Pool {
    links: RefCell<HashMap<Place, Rc<Link>>>,
    swept: Cell<bool>,
}

impl Pool {
    /// The first of these addresses to which a link is held.
    pub(super) fn held(&self, https: bool, authority: &Rc<str>, addresses: &[SocketAddr]) -> Option<SocketAddr> {
        let links = self.links.borrow();
        addresses.iter().copied().find(|&address| {
            links.get(&Place { https, authority: Rc::clone(authority), address }).is_some_and(|link| link.is_usable())
        })
    }

    /// The link to a place, a new one where there is none. Call it from within the thread's runtime.
    pub(super) fn link(self: &Rc<Self>, place: Place) -> Rc<Link> {
        let held = self.links.borrow().get(&place).filter(|link| link.is_usable()).cloned();
        if let Some(link) = held {
            link.used.set(Instant::now());
            return link;
        }
        let link = Rc::new(Link::new(place.clone()));
        let mut links = self.links.borrow_mut();
        if links.len() >= MAX_LINKS && !links.contains_key(&place) {
            let oldest = links.values().min_by_key(|link| link.used.get()).map(|link| link.place.clone());
            if let Some(oldest) = oldest {
                links.remove(&oldest);
            }
        }
        links.insert(place, Rc::clone(&link));
        drop(links);
        self.sweep_later();
        link
    }

    /// Keeps a link from being used again; attempts that use it now go on.
    pub(super) fn retire(&self, link: &Rc<Link>) {
        let mut links = self.links.borrow_mut();
        if links.get(&link.place).is_some_and(|held| Rc::ptr_eq(held, link)) {
            links.remove(&link.place);
        }
    }

    /// Lets go of what was not used for a while, at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.links.borrow_mut().retain(|_, link| {
            let mut waiting = link.idle.borrow_mut();
            waiting.retain_mut(|idle| now.duration_since(idle.since) < MAX_IDLE && idle.socket.is_quiet());
            drop(waiting);
            let in_use = Rc::strong_count(link) > 1;
            in_use || (now.duration_since(link.used.get()) < MAX_IDLE && now.duration_since(link.made) < MAX_AGE)
        });
    }

    /// Closes all connections that wait for another request; whether there were any.
    pub(super) fn let_idle_go(&self) -> bool {
        let links = self.links.borrow();
        links.values().map(|link| link.idle.take().len()).sum::<usize>() > 0
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.links.borrow().len()
    }

    /// Sweeps now and then, while there is something to sweep.
    fn sweep_later(self: &Rc<Self>) {
        if self.swept.replace(true) {
            return;
        }
        let pool = Rc::downgrade(self);
        actix_rt::spawn(async move {
            loop {
                actix_rt::time::sleep(SWEEP).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.sweep(Instant::now());
                if pool.links.borrow().is_empty() {
                    pool.swept.set(false);
                    return;
                }
            }
        });
    }
}

impl Link {
    fn new(place: Place) -> Self {
        let now = Instant::now();
        Self { place, idle: RefCell::default(), http2: RefCell::default(), made: now, used: Cell::new(now) }
    }

    /// A connection that waits, if one is still open. What it says unasked makes it no better than a closed one.
    pub(super) fn take_idle(&self) -> Option<Socket> {
        let mut idle = self.idle.borrow_mut();
        loop {
            let Idle { mut socket, since } = idle.pop()?;
            if since.elapsed() < MAX_IDLE && socket.is_quiet() {
                return Some(socket);
            }
        }
    }

    /// Lets a connection wait for another request.
    pub(super) fn keep(&self, socket: Socket) {
        self.idle.borrow_mut().push(Idle { socket, since: Instant::now() });
    }

    fn is_usable(&self) -> bool {
        self.made.elapsed() < MAX_AGE
    }

    /// The HTTP/2 connection, while it is open.
    pub(super) fn open_http2(&self) -> Option<Rc<Http2>> {
        self.http2.borrow().as_ref().filter(|http2| http2.is_open()).cloned()
    }
}
