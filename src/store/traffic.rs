//! What each endpoint's attempts of the last day came to, hour by hour: for the small charts that show its health at a
//! glance. Kept in memory and written now and then; a crash loses the last minute of it, and nothing else rests on it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    Change, Store, StoreError, codec,
    engine::{Engine, Order},
    keys::{self, Row, kind},
    work::Work,
};
use crate::domain::{ids::EndpointId, time::Timestamp};

const HOUR_MILLIS: i64 = 3_600_000;
/// Hours that are kept.
pub const HOURS: i64 = 24;
/// Endpoints that are written with one batch.
const MOST_WRITTEN: usize = 100;

/// One hour of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourOfTraffic {
    /// Hours since 1970.
    pub hour: i64,
    /// Attempts that had a 2xx.
    pub taken: u64,
    /// Attempts that had none.
    pub refused: u64,
}

/// The hours of one endpoint in which there were attempts, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTraffic(Vec<HourOfTraffic>);

/// Of all endpoints.
#[derive(Debug, Default)]
pub struct Traffic {
    endpoints: HashMap<EndpointId, StoredTraffic>,
    /// Not yet written as they are.
    changed: HashSet<EndpointId>,
    /// The minute in which the last were written.
    written: i64,
}

impl Store {
    /// The last 24 hours of an endpoint, oldest first, those without an attempt too.
    pub fn traffic(&self, endpoint: EndpointId) -> Vec<HourOfTraffic> {
        let now = hour_of(self.shared().clock.wall());
        let traffic = self.shared().traffic();
        let known = traffic.endpoints.get(&endpoint).map_or(&[][..], |stored| &stored.0);
        let of = |hour| known.iter().find(|known| known.hour == hour).copied();
        (now - HOURS + 1..=now).map(|hour| of(hour).unwrap_or(HourOfTraffic { hour, ..Default::default() })).collect()
    }
}

impl Traffic {
    /// Reads what was written.
    pub fn load(engine: &dyn Engine) -> Result<Self, StoreError> {
        let mut traffic = Self::default();
        let all = keys::all_of(kind::TRAFFIC);
        for entry in engine.range(&all, &keys::end_of(&all), Order::Ascending) {
            let entry = entry?;
            let Some((Row::Traffic(id), _)) = Row::parse(&entry.key) else { continue };
            let (stored, _) = codec::decode(&entry.key, &entry.value).map_err(|error| error.at(&entry.key))?;
            traffic.endpoints.insert(id, stored);
        }
        Ok(traffic)
    }

    /// Counts committed changes.
    pub fn count(&mut self, now: Timestamp, changes: &[Change]) {
        let hour = hour_of(now);
        for change in changes {
            let Change::Settled { delivery, attempt, .. } = change else { continue };
            let StoredTraffic(hours) = self.endpoints.entry(delivery.endpoint_id).or_default();
            hours.retain(|known| known.hour > hour - HOURS && known.hour <= hour);
            if hours.last().is_none_or(|last| last.hour != hour) {
                hours.push(HourOfTraffic { hour, ..HourOfTraffic::default() });
            }
            if let Some(last) = hours.last_mut() {
                let counter = if attempt.succeeded() { &mut last.taken } else { &mut last.refused };
                *counter += 1;
            }
            self.changed.insert(delivery.endpoint_id);
        }
    }

    /// Puts some of what changed into a batch, once a minute while there is a batch anyway, and at the end.
    pub fn write(&mut self, work: &mut Work<'_>, now: Timestamp, closing: bool) -> Result<(), StoreError> {
        let minute = now.as_seconds() / 60;
        if self.changed.is_empty() || (self.written == minute && !closing) {
            return Ok(());
        }
        let some: Vec<_> = self.changed.iter().take(MOST_WRITTEN).copied().collect();
        for id in some {
            self.changed.remove(&id);
            match self.endpoints.get(&id).filter(|_| work.progress(id).is_some()) {
                Some(stored) => work.put_record(&Row::Traffic(id), stored, &[])?,
                None => drop(self.endpoints.remove(&id)),
            }
        }
        if self.changed.is_empty() {
            self.written = minute;
        }
        Ok(())
    }

    /// Forgets an endpoint of which nothing is left.
    pub fn forget(&mut self, id: EndpointId) {
        self.endpoints.remove(&id);
        self.changed.remove(&id);
    }
}

fn hour_of(time: Timestamp) -> i64 {
    time.as_millis() / HOUR_MILLIS
}
