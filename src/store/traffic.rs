//! What each endpoint's attempts came to: hour by hour for a week, and minute by minute for the last quarter of an hour.
//! For charts that show its health at a glance. The hours are written now and then, a crash loses the last minute of
//! them; the minutes are in memory alone. Nothing else rests on either.

use foldhash::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::{
    Change, Store, StoreError, codec,
    engine::{Engine, Order},
    keys::{self, Row, kind},
    work::Work,
};
use crate::domain::{ids::EndpointId, time::Timestamp};

/// Hours that are kept, and minutes.
const HOURS: i64 = 7 * 24;
const MINUTES: i64 = 15;
/// Endpoints that are written with one batch.
const MOST_WRITTEN: usize = 100;

/// The length of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficStep {
    /// Of the last 15.
    Minute,
    /// Of the last seven days.
    Hour,
}

impl TrafficStep {
    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }

    const fn kept(self) -> i64 {
        match self {
            Self::Minute => MINUTES,
            Self::Hour => HOURS,
        }
    }

    fn at(self, time: Timestamp) -> i64 {
        time.as_seconds().div_euclid(self.seconds())
    }
}

/// One hour or one minute of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficPart {
    /// Hours or minutes since 1970.
    pub number: i64,
    /// Attempts that had a 2xx.
    pub taken: u32,
    /// Attempts that had none.
    pub refused: u32,
}

/// The parts of one endpoint in which there were attempts, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTraffic(Vec<TrafficPart>);

impl StoredTraffic {
    fn count(&mut self, step: TrafficStep, now: i64, taken: bool) {
        let Self(parts) = self;
        if parts.last().is_none_or(|last| last.number != now) {
            // A clock that was set back has nothing to say of what is to come.
            parts.retain(|known| known.number > now - step.kept() && known.number < now);
            parts.push(TrafficPart { number: now, ..TrafficPart::default() });
        }
        if let Some(last) = parts.last_mut() {
            let counter = if taken { &mut last.taken } else { &mut last.refused };
            *counter = counter.saturating_add(1);
        }
    }
}

/// Of all endpoints.
#[derive(Debug, Default)]
pub struct Traffic {
    endpoints: HashMap<EndpointId, StoredTraffic>,
    minutes: HashMap<EndpointId, StoredTraffic>,
    /// Not yet written as they are.
    changed: HashSet<EndpointId>,
    /// The minute in which the last were written.
    written: i64,
}

impl Store {
    /// The last `count` parts of an endpoint, oldest first, those without an attempt too.
    pub fn traffic(&self, endpoint: EndpointId, step: TrafficStep, count: i64) -> Vec<TrafficPart> {
        let now = step.at(self.shared().clock.wall());
        let traffic = self.shared().traffic();
        let known = match step {
            TrafficStep::Minute => traffic.minutes.get(&endpoint),
            TrafficStep::Hour => traffic.endpoints.get(&endpoint),
        };
        let first = now - count + 1;
        let mut parts: Vec<TrafficPart> =
            (first..=now).map(|number| TrafficPart { number, ..TrafficPart::default() }).collect();
        for part in known.map_or(&[][..], |stored| &stored.0) {
            if let Some(place) = usize::try_from(part.number - first).ok().and_then(|n| parts.get_mut(n)) {
                *place = *part;
            }
        }
        parts
    }
}

fn minute_of(now: Timestamp) -> i64 {
    now.as_seconds() / 60
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
        let (hour, minute) = (TrafficStep::Hour.at(now), TrafficStep::Minute.at(now));
        for change in changes {
            let Change::Settled { delivery, attempt, .. } = change else { continue };
            let (id, taken) = (delivery.endpoint_id, attempt.succeeded());
            self.endpoints.entry(id).or_default().count(TrafficStep::Hour, hour, taken);
            self.minutes.entry(id).or_default().count(TrafficStep::Minute, minute, taken);
            self.changed.insert(id);
        }
    }

    /// Puts some of what changed into a batch, once a minute while there is a batch anyway, and at the end.
    /// Whose these are: [`Self::written`] is to be told once they are stored.
    pub fn write(&mut self, work: &mut Work<'_>, now: Timestamp, closing: bool) -> Result<Vec<EndpointId>, StoreError> {
        if self.changed.is_empty() || (self.written == minute_of(now) && !closing) {
            return Ok(Vec::new());
        }
        let some: Vec<_> = self.changed.iter().take(MOST_WRITTEN).copied().collect();
        for id in &some {
            if let Some(stored) = self.endpoints.get(id).filter(|_| work.progress(*id).is_some()) {
                work.put_record(&Row::Traffic(*id), stored, &[])?;
            } else {
                self.forget(*id);
            }
        }
        Ok(some)
    }

    /// What was put into a batch at `now` is stored as it is.
    pub fn written(&mut self, endpoints: &[EndpointId], now: Timestamp) {
        for id in endpoints {
            self.changed.remove(id);
        }
        if !endpoints.is_empty() && self.changed.is_empty() {
            self.written = minute_of(now);
        }
    }

    /// Forgets an endpoint of which nothing is left.
    pub fn forget(&mut self, id: EndpointId) {
        self.endpoints.remove(&id);
        self.minutes.remove(&id);
        self.changed.remove(&id);
    }
}
