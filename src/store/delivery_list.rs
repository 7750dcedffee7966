//! The deliveries' list: which indexes answer a filter best, and what is left to be checked on the records.

use std::ops::Range;

use super::{
    DeliveryFilter, Page, PageRequest, Store, StoreError,
    delivery_rows::has_index,
    history::{Bounds, MOST_LOOKED_AT},
    keys::{self, EndStatus, kind},
    reading,
    shared::Shared,
    stored::{Life, Progress, StoredEvent},
    streams::{self, Budget, Stream},
};
use crate::domain::{
    account::Account,
    delivery::{Delivery, DeliveryStatus},
    ids::{DeliveryId, EndpointId},
};

/// More endpoints' logs than this are not merged: all deliveries are walked over instead.
const MOST_MERGED: usize = 2_000;
/// More queues than this are not merged with what has records: all events are walked over instead.
const MOST_QUEUES: usize = 200;

impl Store {
    /// Deliveries, newest first.
    pub fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery, DeliveryId>, StoreError> {
        let shared = self.shared();
        let budget = Budget::new(MOST_LOOKED_AT);
        let nothing = Page { items: Vec::new(), next: None };
        let bounds = Bounds::of(shared, filter.since, filter.until, page.after.map(DeliveryId::as_u128));
        let Some((low, high)) = bounds.range() else { return Ok(nothing) };
        let plan = Plan { shared, budget: &budget, ids: low..u128::MAX, filter };
        let Some(mut stream) = plan.stream()? else { return Ok(nothing) };
        streams::page(&mut stream, &budget, high, page.limit, DeliveryId::from_u128, |id| {
            let read = shared.past_damage(reading::delivery(shared, id))?;
            Ok(read.map(|(stored, _)| stored.delivery).filter(|delivery| matches(filter, delivery)))
        })
    }
}

fn matches(filter: &DeliveryFilter, delivery: &Delivery) -> bool {
    filter.status.is_none_or(|status| status == delivery.status)
        && filter.endpoint.is_none_or(|endpoint| endpoint == delivery.endpoint_id)
        && filter.event.as_ref().is_none_or(|event| *event == delivery.event_id)
        && filter.event_type.as_ref().is_none_or(|event_type| *event_type == delivery.event_type)
        && filter.account.as_ref().is_none_or(|account| *account == delivery.account)
        && filter.response_code.is_none_or(|code| Some(code) == delivery.last_response_code)
        && filter.since.is_none_or(|since| delivery.created_at >= since)
        && filter.until.is_none_or(|until| delivery.created_at < until)
}

struct Plan<'a> {
    shared: &'a Shared,
    budget: &'a Budget,
    ids: Range<u128>,
    filter: &'a DeliveryFilter,
}

impl<'a> Plan<'a> {
    /// A stream that has every delivery that matches, and as few others as the indexes allow. `None`: none matches.
    fn stream(&self) -> Result<Option<Stream<'a>>, StoreError> {
        let filter = self.filter;
        // Of another account's endpoint there is nothing to find, and nothing to tell by how far was looked.
        if let (Some(endpoint), Some(account)) = (filter.endpoint, &filter.account)
            && self.shared.view().endpoints.get(&endpoint).is_some_and(|progress| progress.account != *account)
        {
            return Ok(None);
        }
        if let Some(id) = &filter.event {
            let found = reading::event_by_id(self.shared, id)?;
            return Ok(found.map(|(stored, _)| self.of_event(&stored)));
        }
        let status = filter.status.and_then(EndStatus::of).map(|status| self.index(keys::status_of(status)));
        let code = filter.response_code.filter(|code| has_index(*code)).map(|code| self.index(keys::code_of(code)));
        let mut selective: Vec<Stream<'a>> = status.into_iter().chain(code).collect();
        let pending = filter.status == Some(DeliveryStatus::Pending);
        match filter.endpoint {
            Some(endpoint) if pending => {
                let position = self.shared.view().position(endpoint);
                selective.push(self.pending_of(endpoint, position));
            }
            Some(endpoint) => selective.push(self.log(endpoint, self.ids.clone())),
            None if !selective.is_empty() => {}
            None if pending => selective.push(self.pending()),
            None => selective.push(self.of_account_or_all()),
        }
        selective.extend(filter.event_type.as_ref().map(|name| Stream::of_type(self.shared, self.budget, name)));
        Ok(Some(if selective.len() == 1 { selective.remove(0) } else { Stream::AllOf(selective) }))
    }

    fn index(&self, prefix: keys::Prefix) -> Stream<'a> {
        Stream::index(self.shared, self.budget, prefix, self.ids.clone())
    }

    fn of_event(&self, event: &StoredEvent) -> Stream<'a> {
        let Range { start, end } = event.deliveries();
        let block = Stream::Consecutive(self.ids.start.max(start)..end);
        Stream::any_of(vec![block, self.index(keys::extras_of(event.event.key))])
    }

    fn pending(&self) -> Stream<'a> {
        let queues = self.queues();
        if queues.len() > MOST_MERGED {
            return self.all();
        }
        Stream::any_of(queues.into_iter().map(|(endpoint, position)| self.pending_of(endpoint, position)).collect())
    }

    /// What waits for its first turn lies behind the queue's position, all else that waits has rows.
    fn pending_of(&self, endpoint: EndpointId, position: DeliveryId) -> Stream<'a> {
        Stream::any_of(vec![self.behind(endpoint, position), self.index(keys::retrying_of(endpoint))])
    }

    /// All that have a record, and those that were not touched since they were made: they lie behind a queue's position.
    fn all(&self) -> Stream<'a> {
        let records = self.index(keys::all_of(kind::DELIVERY));
        if self.filter.status.is_some_and(|status| status != DeliveryStatus::Pending) {
            return records;
        }
        let queues = self.queues();
        if queues.len() > MOST_QUEUES {
            let made_with_events = Stream::of_events(self.shared, self.budget, self.ids.clone());
            return Stream::any_of(vec![records, made_with_events]);
        }
        let fresh = queues.into_iter().map(|(endpoint, position)| self.behind(endpoint, position));
        Stream::any_of(std::iter::once(records).chain(fresh).collect())
    }

    /// Where the queues stand in which something may wait.
    fn queues(&self) -> Vec<(EndpointId, DeliveryId)> {
        let of_account =
            |progress: &Progress| self.filter.account.as_ref().is_none_or(|account| *account == progress.account);
        let view = self.shared.view();
        view.queues().filter(|(_, progress, _)| of_account(progress)).map(|(id, _, position)| (id, position)).collect()
    }

    fn behind(&self, endpoint: EndpointId, position: DeliveryId) -> Stream<'a> {
        let ids = self.ids.start.max(position.as_u128().saturating_add(1))..self.ids.end;
        self.log(endpoint, ids)
    }

    /// All that an endpoint ever had, within these ids.
    fn log(&self, endpoint: EndpointId, ids: Range<u128>) -> Stream<'a> {
        // Before the index, so that one that is given its place meanwhile is not missed.
        let unplaced = self.shared.unplaced.of(endpoint, ids.start.saturating_sub(1), ids.end.saturating_sub(1));
        let placed = Stream::index(self.shared, self.budget, keys::queue_of(endpoint), ids);
        if unplaced.is_empty() { placed } else { Stream::any_of(vec![Stream::Listed(unplaced), placed]) }
    }

    fn of_account_or_all(&self) -> Stream<'a> {
        let logs = self.filter.account.as_ref().and_then(|account| self.logs_of(account));
        match logs {
            Some(logs) => Stream::any_of(logs.into_iter().map(|id| self.log(id, self.ids.clone())).collect()),
            None => self.all(),
        }
    }

    /// The endpoints that an account ever had; `None` if it has so many, or most of all, that walking is better.
    fn logs_of(&self, account: &Account) -> Option<Vec<EndpointId>> {
        let view = self.shared.view();
        let of_account = view.endpoints.iter().filter(|(_, progress)| progress.account == *account);
        let logs: Vec<EndpointId> = of_account.map(|(id, _)| *id).collect();
        let alive = |progress: &&Progress| progress.life == Life::Alive;
        let all = view.endpoints.values().filter(alive).count();
        (logs.len() <= MOST_MERGED && (logs.len() < 4 || logs.len() * 2 < all)).then_some(logs)
    }
}
