//! What has been: events and deliveries by their ids, a delivery's attempts, and the events' list.

use super::{
    EventFilter, MOST_ATTEMPTS_SHOWN, Page, PageRequest, Store, StoreError,
    engine::Order,
    keys::{self, Row, kind},
    long,
    packed_attempt::unpack_attempt,
    reading,
    shared::Shared,
    stored::Latest,
    streams::{self, Budget, Stream},
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
        let Some((low, high)) = bounds.range() else { return Ok(Page { items: Vec::new(), next: None }) };
        let prefix = match &filter.account {
            Some(account) if !account.is_default() => keys::events_of(account),
            _ => keys::all_of(kind::EVENT),
        };
        let budget = Budget::new(MOST_LOOKED_AT);
        let mut streams = vec![Stream::index(shared, &budget, prefix, low..u128::MAX)];
        streams.extend(filter.event_type.as_ref().map(|name| Stream::of_type(shared, &budget, name)));
        streams::page(&mut Stream::AllOf(streams), &budget, high, page.limit, EventKey::from_u128, |key| {
            let read = shared.past_damage(reading::event(shared, key))?;
            Ok(read.map(|(stored, _)| stored.event).filter(|event| matches(filter, event)))
        })
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
