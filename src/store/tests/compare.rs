//! Whether a store shows what the model holds.

use proptest::sample::Index;

use super::{
    actions::Listing,
    model::{Model, account, event_type},
};
use crate::{
    domain::{
        attempt::Attempt,
        delivery::{Delivery, DeliveryStatus},
        event::Event,
        ids::DeliveryId,
        time::Timestamp,
    },
    store::{DeliveryFilter, DueClass, DueRow, EventFilter, Page, PageRequest, Store},
};

/// Every record, queue and count.
pub fn compare(store: &Store, model: &Model) {
    let end = Timestamp::from_millis(i64::MAX);
    for known in model.events.values() {
        assert_eq!(store.event(&known.event.id).unwrap().as_ref(), Some(&known.event));
        assert_eq!(store.body(known.event.key).unwrap().unwrap().object(), known.object);
    }
    for known in model.deliveries.values() {
        let id = known.delivery.id;
        assert_eq!(store.delivery(id).unwrap().as_ref(), Some(&known.delivery));
        let attempts = store.delivery_with_attempts(id).unwrap().unwrap().1;
        assert_eq!(attempts.iter().map(Attempt::response_code).collect::<Vec<_>>(), known.codes);
        assert!((1..).zip(&attempts).all(|(number, attempt)| attempt.number == number));
    }
    let mut with_work = Vec::new();
    for (id, known) in &model.endpoints {
        let fresh = store.fresh(*id, DeliveryId::MIN, 1_000).unwrap();
        assert!(fresh.at_end);
        let fresh: Vec<DeliveryId> = fresh.deliveries.iter().map(|delivery| delivery.id).collect();
        assert_eq!(fresh, model.fresh(*id), "the queue of {id}");
        let mut due_in_all = 0;
        for class in [DueClass::AskedFor, DueClass::InTurn] {
            let rows = store.due(*id, class, end, 1_000).unwrap();
            assert!(rows.is_sorted_by_key(|due| due.at));
            let mut found: Vec<_> = rows.iter().map(|due| (due.delivery, due.trigger)).collect();
            found.sort_unstable();
            assert_eq!(found, model.due(*id, class), "{class:?} of {id}");
            let first = rows.first().map(|due| due.at);
            assert_eq!(store.next_due(*id, class, Timestamp::EPOCH).unwrap(), first);
            let later = first.and_then(|first| rows.iter().map(|due| due.at).find(|at| *at > first));
            assert_eq!(store.next_due(*id, class, first.unwrap_or(Timestamp::EPOCH)).unwrap(), later);
            assert!(rows.iter().all(|row| store.is_due(*id, *row).unwrap()));
            due_in_all += found.len();
        }
        let oldest = store.oldest_due(*id, 1_000).unwrap();
        let event = |due: &DueRow| model.deliveries[&due.delivery].delivery.event_key;
        assert!(oldest.is_sorted_by_key(|due| (event(due), due.delivery)));
        let mut oldest: Vec<_> = oldest.iter().map(|due| (due.delivery, due.trigger)).collect();
        oldest.sort_unstable();
        assert_eq!(oldest, model.due(*id, DueClass::InTurn));
        let is_pending = |delivery: &Delivery| delivery.status == DeliveryStatus::Pending;
        let pending = model.of(*id).filter(|known| is_pending(&known.delivery)).count();
        assert_eq!(store.health(*id).pending, u64::try_from(pending).unwrap());
        if known.alive && (pending > 0 || due_in_all > 0) {
            with_work.push(*id);
        }
    }
    let mut found = store.endpoints_with_work();
    found.sort_unstable();
    assert_eq!(found, with_work);
    assert_eq!(store.endpoints().unwrap().iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), model.alive());
    let totals = store.totals();
    assert_eq!((totals.accepted, totals.attempts), (model.accepted, model.attempts));
    let pending = model.deliveries.values().filter(|known| known.delivery.status == DeliveryStatus::Pending).count();
    assert_eq!(totals.pending, u64::try_from(pending).unwrap());
}

/// Lists by these filters, page by page.
pub fn compare_lists(store: &Store, model: &Model, listings: &[Listing]) {
    for listing in listings {
        let filter = delivery_filter(model, listing);
        let found = pages(listing.limit, |page| store.deliveries(&filter, page).unwrap());
        let matching = model.deliveries.values().rev().map(|known| &known.delivery).filter(|d| wanted(&filter, d));
        assert_eq!(found, matching.cloned().collect::<Vec<_>>(), "{filter:?}");

        let filter = EventFilter {
            event_type: filter.event_type,
            account: filter.account,
            since: filter.since,
            until: filter.until,
        };
        let found = pages(listing.limit, |page| store.events(&filter, page).unwrap());
        let matching = model.events.values().rev().map(|known| &known.event).filter(|event| {
            filter.event_type.as_ref().is_none_or(|event_type| *event_type == event.event_type)
                && filter.account.as_ref().is_none_or(|account| *account == event.account)
                && within(filter.since, filter.until, event.accepted_at)
        });
        assert_eq!(found, matching.cloned().collect::<Vec<Event>>(), "{filter:?}");
    }
}

fn pages<T, K: Copy>(limit: usize, read: impl Fn(PageRequest<K>) -> Page<T, K>) -> Vec<T> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = read(PageRequest { limit, after });
        assert!(page.items.len() <= limit);
        assert!(!page.items.is_empty() || page.next.is_none(), "an empty page with another behind it");
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn delivery_filter(model: &Model, listing: &Listing) -> DeliveryFilter {
    let endpoints: Vec<_> = model.endpoints.keys().copied().collect();
    let events: Vec<_> = model.events.values().map(|known| known.event.id.clone()).collect();
    let times: Vec<_> = model.deliveries.values().map(|known| known.delivery.created_at).collect();
    let statuses =
        [DeliveryStatus::Pending, DeliveryStatus::Delivered, DeliveryStatus::Failed, DeliveryStatus::Canceled];
    DeliveryFilter {
        status: listing.status.map(|n| statuses[n]),
        endpoint: pick(&endpoints, listing.endpoint),
        event: pick(&events, listing.event),
        event_type: listing.event_type.map(event_type),
        account: listing.account.map(account),
        response_code: listing.code.map(|n| [200, 500, 503, 410][n]),
        since: pick(&times, listing.since),
        until: pick(&times, listing.until),
    }
}

fn pick<T: Clone>(from: &[T], index: Option<Index>) -> Option<T> {
    index.filter(|_| !from.is_empty()).map(|index| index.get(from).clone())
}

fn wanted(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.status.is_none_or(|status| status == delivery.status)
        && filter.endpoint.is_none_or(|endpoint| endpoint == delivery.endpoint_id)
        && filter.event.as_ref().is_none_or(|event| *event == delivery.event_id)
        && filter.event_type.as_ref().is_none_or(|event_type| *event_type == delivery.event_type)
        && filter.account.as_ref().is_none_or(|account| *account == delivery.account)
        && filter.response_code.is_none_or(|code| delivery.last_response_code == Some(code))
        && within(filter.since, filter.until, delivery.created_at)
}

fn within(since: Option<Timestamp>, until: Option<Timestamp>, at: Timestamp) -> bool {
    since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until)
}
