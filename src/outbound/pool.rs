//! The connections that a thread keeps, by where they go: scheme, authority and the one address that was checked. A
//! kept connection can so never lead to another address than the attempt's own check allows. Each place has an awc
//! client of its own (a link), which is let go after a while without use, and renewed now and then.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{connect::Pinned, http2::Http2, wire::Wire};

/// Links that a thread keeps, at most.
const MAX_LINKS: usize = 256;

/// A link that was not used for so long is let go, and with it its connections.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A link of this age is not used again, so that connections which the peer has closed do not pile up in it.
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
    place: Place,
    /// Its connections go to the place's address alone.
    pub(super) http1: awc::Client,
    /// The connection that turned out to speak HTTP/2.
    pub(super) http2: RefCell<Option<Rc<Http2>>>,
    made: Instant,
    used: Cell<Instant>,
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
    pub(super) fn link(self: &Rc<Self>, place: Place, pinned: impl FnOnce(&Place) -> Pinned) -> Rc<Link> {
        let held = self.links.borrow().get(&place).filter(|link| link.is_usable()).cloned();
        if let Some(link) = held {
            link.used.set(Instant::now());
            return link;
        }
        let link = Rc::new(Link::new(place.clone(), pinned(&place)));
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

    /// Has the next link to a place be a new one.
    pub(super) fn forget(&self, place: &Place) {
        self.links.borrow_mut().remove(place);
    }

    /// Lets go of what was not used for a while, at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.links.borrow_mut().retain(|_, link| {
            let in_use = Rc::strong_count(link) > 1;
            in_use || (now.duration_since(link.used.get()) < MAX_IDLE && now.duration_since(link.made) < MAX_AGE)
        });
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
    fn new(place: Place, pinned: Pinned) -> Self {
        // The attempt's own deadline stands in for awc's, and the caller's caps for its limit.
        let far = Duration::from_hours(24);
        let connector = awc::Connector::new()
            .connector::<_, Wire>(pinned)
            .limit(0)
            .timeout(far)
            .conn_keep_alive(MAX_IDLE)
            .conn_lifetime(MAX_AGE);
        let http1 = awc::Client::builder()
            .connector(connector)
            .disable_timeout()
            .disable_redirects()
            .no_default_headers()
            .finish();
        let now = Instant::now();
        Self { place, http1, http2: RefCell::default(), made: now, used: Cell::new(now) }
    }

    fn is_usable(&self) -> bool {
        self.made.elapsed() < MAX_AGE
    }

    /// The HTTP/2 connection, while it is open.
    pub(super) fn open_http2(&self) -> Option<Rc<Http2>> {
        self.http2.borrow().as_ref().filter(|http2| http2.is_open()).cloned()
    }
}
