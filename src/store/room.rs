//! How much room there is: free bytes of the disk against a floor, and the store's size against its quota. Under the
//! floor or over the quota nothing new is taken in, while what is needed to deliver goes on.
//!
//! An engine's file grows when it finds no free place inside, and shrinks late or never. So a store over its quota can
//! have room inside, made by pruning: new events are then taken in as far as old ones went. What an event takes is
//! estimated from its record, alike when it comes and when it goes. Growth beyond the quota counts several times
//! against that; and a store that holds little is never shut for the size of its file.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Change, Options, StoreError, commit::RequestKind, engine::Engine, stored::StoredEvent};

/// The floor is never lower than this, for the engine's segments.
pub const LEAST_FLOOR: u64 = 4 << 20;
/// The floor, where none is set; an eighth of a small file system. Below a quarter of this nothing is written at all.
const DEFAULT_FLOOR: u64 = 32 << 20;
/// From nine tenths of the quota on, what is completed is pruned before its time …
const NEAR: u64 = 10;
/// … until there is room inside for a tenth of it.
const RESERVE: u64 = 10;
/// What the file grew by beyond the quota counts so many times.
const GROWTH_WEIGHT: i64 = 4;
/// An engine's file is at most about so many times as large as what is in it.
const AMPLIFICATION: u64 = 5;
/// Whether events are refused is logged no more often than this.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// What an event and a delivery take beside the body, roughly, in bytes.
const EVENT_WEIGHT: u64 = 250;
const DELIVERY_WEIGHT: u64 = 400;

/// How much room there is, from the worst on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Too little for anything.
    None,
    /// Enough to deliver, not to take in.
    UnderFloor,
    /// The store is as large as it may be.
    OverQuota,
    /// Enough.
    Enough,
}

impl Room {
    /// Why a request of this kind is refused, if it is.
    pub fn refuses(self, kind: RequestKind) -> Option<StoreError> {
        match self {
            Self::None => Some(StoreError::Full),
            Self::UnderFloor => kind.grows.then_some(StoreError::Full),
            Self::OverQuota => kind.grows.then_some(StoreError::OverQuota),
            Self::Enough => None,
        }
    }
}

/// The state of the disk and the store on it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// What the store takes on disk.
    pub store: u64,
    /// What it may take; `None`: there is no quota.
    pub quota: Option<u64>,
    /// What is free on its file system; `None`: that could not be asked.
    pub free: Option<u64>,
    /// Below so many free bytes nothing is taken in.
    pub floor: u64,
    /// Whether events are taken in now.
    pub accepting: bool,
    /// Events that were pruned before their time since the start, because of the quota.
    pub pruned_early: u64,
}

/// Keeps watch over the room.
#[derive(Debug)]
pub struct Watch {
    directory: PathBuf,
    floor: Option<u64>,
    quota: Option<u64>,
    /// How much more was pruned than taken in, by weight, never less than 0.
    freed: AtomicI64,
    pruned_early: AtomicU64,
    logged: Mutex<Logged>,
}

/// What the log last said.
#[derive(Debug, Default)]
struct Logged {
    refusing: bool,
    at: Option<Instant>,
}

impl Watch {
    /// Over a store in this directory.
    pub fn new(directory: &Path, options: &Options) -> Self {
        Self {
            directory: directory.to_owned(),
            floor: options.free_space_floor,
            quota: options.max_store_size,
            freed: AtomicI64::new(0),
            pruned_early: AtomicU64::new(0),
            logged: Mutex::default(),
        }
    }

    /// How much room there is now; a change for better or worse is logged.
    pub fn room(&self, engine: &dyn Engine) -> Room {
        let room = self.look(engine);
        self.log(room);
        room
    }

    fn log(&self, room: Room) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let refusing = room < Room::Enough;
        // Near the quota it goes to and fro.
        if logged.refusing == refusing || logged.at.is_some_and(|at| at.elapsed() < LOG_PAUSE) {
            return;
        }
        *logged = Logged { refusing, at: Some(Instant::now()) };
        match room {
            Room::Enough => tracing::info!("there is room again: events are accepted"),
            Room::OverQuota => {
                tracing::warn!(quota = self.quota, "the store is as large as it may be: events are refused");
            }
            Room::None | Room::UnderFloor => tracing::warn!("the disk is nearly full: events are refused"),
        }
    }

    fn look(&self, engine: &dyn Engine) -> Room {
        if let Some((free, total)) = self.disk() {
            let floor = self.floor(total);
            if free < floor.min(DEFAULT_FLOOR) / 4 {
                return Room::None;
            }
            if free < floor {
                return Room::UnderFloor;
            }
        }
        match self.quota {
            Some(quota) if room_inside(quota, engine.approximate_size(), self.freed()) <= 0 => Room::OverQuota,
            _ => Room::Enough,
        }
    }

    /// Whether a batch of so many bytes can be written in full, whatever the engine does with it.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.disk().is_none_or(|(free, _)| free >= bytes.saturating_add(LEAST_FLOOR / 4))
    }

    /// Whether what is completed is to be pruned before its time.
    pub fn nears_quota(&self, engine: &dyn Engine) -> bool {
        let Some(quota) = self.quota else { return false };
        let size = engine.approximate_size();
        let wanted = i64::try_from(quota / RESERVE).unwrap_or(i64::MAX);
        size >= quota - quota / NEAR && room_inside(quota, size.max(quota), self.freed()) < wanted
    }

    /// Notes what a batch took in.
    pub fn taken(&self, changes: &[Change]) {
        if self.quota.is_none() {
            return;
        }
        let taken: u64 = changes.iter().map(weight_of_change).sum();
        let taken = i64::try_from(taken).unwrap_or(i64::MAX);
        // Of what the file grew by, nothing was room inside.
        let _ = self.freed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |freed| Some((freed - taken).max(0)));
    }

    /// Notes what was pruned.
    pub fn freed_by(&self, weight: u64, events: u64, early: bool) {
        let most = i64::try_from(self.quota.unwrap_or(0)).unwrap_or(i64::MAX);
        let weight = i64::try_from(weight).unwrap_or(i64::MAX);
        let add = |freed: i64| Some(freed.saturating_add(weight).min(most));
        let _ = self.freed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        if early {
            self.pruned_early.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Notes that nothing can be pruned any more, and what by weight is left: where that is little, there is room.
    pub fn left(&self, weight: u64, engine: &dyn Engine) {
        let Some(quota) = self.quota else { return };
        let Some(room) = (quota / AMPLIFICATION).checked_sub(weight) else { return };
        let growth = GROWTH_WEIGHT.saturating_mul(over(quota, engine.approximate_size()).max(0));
        let enough = i64::try_from(room).unwrap_or(i64::MAX).saturating_add(growth);
        self.freed.fetch_max(enough, Ordering::Relaxed);
    }

    /// All of it.
    pub fn space(&self, engine: &dyn Engine) -> Space {
        let disk = self.disk();
        Space {
            store: engine.approximate_size(),
            quota: self.quota,
            free: disk.map(|(free, _)| free),
            floor: self.floor(disk.map_or(u64::MAX, |(_, total)| total)),
            accepting: self.look(engine) == Room::Enough,
            pruned_early: self.pruned_early.load(Ordering::Relaxed),
        }
    }

    fn freed(&self) -> i64 {
        self.freed.load(Ordering::Relaxed)
    }

    fn floor(&self, total: u64) -> u64 {
        self.floor.unwrap_or_else(|| DEFAULT_FLOOR.min(total / 8)).max(LEAST_FLOOR)
    }

    /// Free and all bytes of the file system.
    fn disk(&self) -> Option<(u64, u64)> {
        fail::fail_point!("store::full", |_| Some((0, 1 << 40)));
        let stat = rustix::fs::statvfs(&self.directory).ok()?;
        Some((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
    }
}

/// How many bytes may still be taken in; what the file is too large by is to be made good first.
fn room_inside(quota: u64, size: u64, freed: i64) -> i64 {
    match over(quota, size) {
        growth if growth >= 0 => freed.saturating_sub(growth.saturating_mul(GROWTH_WEIGHT)),
        smaller => freed.saturating_sub(smaller),
    }
}

/// By how much the file is larger than the quota; negative: smaller.
fn over(quota: u64, size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX).saturating_sub(i64::try_from(quota).unwrap_or(i64::MAX))
}

/// What an event takes with its body and its own deliveries, in bytes, roughly.
pub fn weight(event: &StoredEvent) -> u64 {
    estimate(u64::from(event.body_length), u64::from(event.event.delivery_count))
}

fn weight_of_change(change: &Change) -> u64 {
    match change {
        Change::Accepted { body, deliveries, .. } => {
            let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
            estimate(length(body.bytes().len()), length(deliveries.len()))
        }
        Change::Settled { .. } | Change::Changed { .. } | Change::Due { .. } => 0,
    }
}

fn estimate(body: u64, deliveries: u64) -> u64 {
    EVENT_WEIGHT + body + deliveries * DELIVERY_WEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_the_quota_there_is_room_and_above_it_what_was_freed() {
        let quota = 100 << 20;
        assert!(room_inside(quota, 0, 0) > 0);
        assert!(room_inside(quota, quota - 1, 0) > 0);
        assert_eq!(room_inside(quota, quota, 0), 0);
        assert!(room_inside(quota, quota, 1) > 0);
        assert!(room_inside(quota, quota + 10, 40) <= 0, "growth beyond it is to be made good first");
        assert!(room_inside(quota, quota + 10, 41) > 0);
    }

    #[test]
    fn a_room_refuses_what_it_has_no_place_for() {
        let grows = RequestKind { waits: false, grows: true, alone: false };
        let settles = RequestKind { grows: false, ..grows };
        assert!(matches!(Room::None.refuses(settles), Some(StoreError::Full)));
        assert!(matches!(Room::UnderFloor.refuses(grows), Some(StoreError::Full)));
        assert!(matches!(Room::OverQuota.refuses(grows), Some(StoreError::OverQuota)));
        for room in [Room::UnderFloor, Room::OverQuota, Room::Enough] {
            assert!(room.refuses(settles).is_none());
        }
    }
}
