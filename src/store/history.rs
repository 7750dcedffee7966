//! What has been: events and deliveries by their ids, a delivery's attempts, and the events' list.

use super::{
    EventFilter, MOST_ATTEMPTS_SHOWN, Page, PageRequest, Store, StoreError,
    engine::Order,
    keys::{self, Row, kind},
    long, reading,
    shared::Shared,
    stored::{Latest, unpack_attempt},
};
use crate::domain::{
    attempt::Attempt,
    delivery::Delivery,
    event::{Event, EventBody},
    ids::{DeliveryId, EventId, EventKey},
    time::Timestamp,
};

/// So many rows are looked at for one page; then it is returned short.
pub const MOST_LOOKED_AT: usize = 20_000;

impl Store {
    /// An event by the id that receivers see.
    pub fn event(&self, id: &EventId) -> Result<Option<Event>, StoreError> {
        Ok(reading::event_by_id(self.shared(), id)?.map(|(stored, _)| stored.event))
    }

    /// An event's body.
    pub fn body(&self, key: EventKey) -> Result<Option<EventBody>, StoreError> {
        match reading::event(self.shared(), key)? {
            Some((stored, inline)) => reading::body(self.shared(), &stored, inline),
            None => Ok(None),
        }
    }

    /// Events, newest first.
    pub fn events(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventKey>,
    ) -> Result<Page<Event, EventKey>, StoreError> {
        let shared = self.shared();
        let bounds = Bounds::of(shared, filter.since, filter.until, page.after.map(EventKey::as_u128));
        let mut found = Page { items: Vec::new(), next: None };
        let Some((low, high)) = bounds.range() else { return Ok(found) };
        let prefix = match &filter.account {
            Some(account) if !account.is_default() => keys::events_of(account),
            _ => keys::all_of(kind::EVENT),
        };
        let from = keys::with_id(&prefix, low);
        let to = keys::end_of(&keys::with_id(&prefix, high));
        let mut last = None;
        for (looked_at, entry) in shared.engine.range(&from, &to, Order::Descending).enumerate() {
            let entry = entry?;
            if looked_at == MOST_LOOKED_AT {
                found.next = last;
                break;
            }
            let key = EventKey::from_u128(keys::last_id(&entry.key).unwrap_or(0));
            let Some((stored, _)) = shared.past_damage(reading::event(shared, key))? else { continue };
            if matches(filter, &stored.event) {
                if found.items.len() >= page.limit {
                    found.next = last;
                    break;
                }
                found.items.push(stored.event);
            }
            last = Some(key);
        }
        Ok(found)
    }

    /// One delivery.
    pub fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(reading::delivery(self.shared(), id)?.map(|(stored, _)| stored.delivery))
    }

    /// A delivery with its attempts in their order, as they were at one moment; of more than [`MOST_ATTEMPTS_SHOWN`],
    /// the newest so many.
    pub fn delivery_with_attempts(&self, id: DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>, StoreError> {
        let shared = self.shared();
        let Some((stored, inline)) = reading::delivery(shared, id)? else { return Ok(None) };
        let row = Row::Delivery(id);
        let mut newest_first = Vec::new();
        if stored.latest == Latest::Inline {
            newest_first.push(unpack_attempt(&inline).map_err(|error| error.at(&row.key()))?);
        }
        for entry in shared.family(&keys::attempts_of(id), Order::Descending) {
            if newest_first.len() >= MOST_ATTEMPTS_SHOWN {
                break;
            }
            let Some((row @ Row::Attempt(_, number), 0)) = Row::parse(&entry?.key) else { continue };
            // One that was written since the delivery was read.
            if number > stored.delivery.attempts_made || newest_first.iter().any(|a: &Attempt| a.number == number) {
                continue;
            }
            if let Some(bytes) = long::get_bytes(shared, &row)? {
                newest_first.push(unpack_attempt(&bytes).map_err(|error| error.at(&row.key()))?);
            }
        }
        newest_first.reverse();
        Ok(Some((stored.delivery, newest_first)))
    }
}

fn matches(filter: &EventFilter, event: &Event) -> bool {
    filter.event_type.as_ref().is_none_or(|event_type| *event_type == event.event_type)
        && filter.account.as_ref().is_none_or(|account| *account == event.account)
        && filter.since.is_none_or(|since| event.accepted_at >= since)
        && filter.until.is_none_or(|until| event.accepted_at < until)
}

/// Between which ids the things of a span of time lie. An id's time is that of the wall clock, or later where the
/// clock was set back; so the span's end is moved by the most that it ever was.
pub struct Bounds {
    low: u128,
    /// Exclusive; `None`: no end.
    end: Option<u128>,
}

impl Bounds {
    /// The bounds of a page that goes on below `after`.
    pub fn of(shared: &Shared, since: Option<Timestamp>, until: Option<Timestamp>, after: Option<u128>) -> Self {
        let skew = std::time::Duration::from_millis(shared.view().meta.skew);
        let end = until.map(|until| EventKey::first_at(until.plus(skew)).as_u128());
        Self {
            low: since.map_or(0, |since| EventKey::first_at(since).as_u128()),
            end: end.into_iter().chain(after).min(),
        }
    }

    /// The smallest and the greatest id; `None`: there is none between.
    pub fn range(&self) -> Option<(u128, u128)> {
        let high = self.end.map_or(Some(u128::MAX), |end| end.checked_sub(1))?;
        (self.low <= high).then_some((self.low, high))
    }
}
