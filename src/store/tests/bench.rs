//! The store under test beside its model: each action is done to both, and what they say is compared.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::join_all;
use proptest::sample::Index;

use super::{
    actions::{Action, Answer, Post},
    compare::compare,
    ground::Ground,
    making,
    model::{Expected, Model, account, attempt},
};
use crate::{
    domain::{
        attempt::Trigger,
        ids::{DeliveryId, EndpointId},
        subscription::Subscription,
        time::Timestamp,
    },
    store::{
        AcceptError, Accepted, Change, DueClass, DueRow, EventFilter, MissedQuestion, NewEvent, Observer, PageRequest,
        Settlement, Store, memory::Fault,
    },
};

/// Remembers the deliveries that replays made.
#[derive(Default)]
struct Watcher(Mutex<Vec<Change>>);

impl Observer for Watcher {
    fn committed(&self, changes: &[Change]) {
        self.0.lock().unwrap().extend_from_slice(changes);
    }
}

pub struct Bench {
    ground: Ground,
    store: Option<Store>,
    watcher: Arc<Watcher>,
    pub model: Model,
    /// Whether retention begins a round with its next step.
    new_round: bool,
    /// When the last attempt began: no two of a delivery begin at the same time.
    last_start: Timestamp,
}

impl Bench {
    pub fn with_endpoints(ground: Ground) -> Self {
        let watcher = Arc::new(Watcher::default());
        let (model, last_start) = (Model::default(), Timestamp::EPOCH);
        let mut bench = Self { ground, store: None, watcher, model, new_round: true, last_start };
        bench.open();
        for account in 0..3 {
            making::run(bench.act(&Action::PutEndpoint { account }));
        }
        bench
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn open(&mut self) {
        let store = self.ground.open();
        store.observe(Arc::clone(&self.watcher) as Arc<dyn Observer>);
        self.store = Some(store);
        self.new_round = true;
    }

    /// Closes the store, has it checked, and opens it again.
    pub fn reopen(&mut self) {
        if let Some(store) = self.store.take() {
            store.close();
        }
        self.check();
        self.open();
    }

    /// Has the process die, and goes on with what is left. All that was acknowledged must be there.
    pub fn crash(&mut self, seed: u64) {
        self.die(seed);
        compare(self.store(), &self.model);
    }

    fn die(&mut self, seed: u64) {
        let dead = self.ground.crash(seed);
        drop(self.store.take());
        drop(dead);
        self.check();
        self.open();
    }

    fn check(&self) {
        let report = self.ground.verify();
        assert!(report.is_sound(), "{:#?}", report.findings);
    }

    pub async fn act(&mut self, action: &Action) {
        match action {
            Action::PutEndpoint { account: n } => {
                let endpoint = making::endpoint(self.store(), &account(*n));
                let known = super::model::Known { account: account(*n), alive: true };
                self.model.endpoints.insert(endpoint.id, known);
                self.store().put_endpoint(endpoint, making::audit("endpoint.created")).await.unwrap();
            }
            Action::Accept(posts) => self.accept(posts).await,
            Action::SettleFresh(picks) => self.settle_fresh(picks).await,
            Action::SettleDue(pick, answer) => {
                let due = self.all_due();
                if let Some(due) = choose(&due, *pick) {
                    self.settle(due.delivery, Some(due), due.trigger, *answer).await;
                }
            }
            Action::SettleLate(pick, answer) => {
                if let Some(id) = self.delivery(*pick) {
                    self.settle(id, None, Trigger::Schedule, *answer).await;
                }
            }
            Action::Retry(picks) => self.retry(picks).await,
            Action::Replay(picks) => self.replay(picks).await,
            Action::Cancel(pick) => {
                let Some(id) = self.delivery(*pick) else { return };
                let stopped = self.model.cancel(id);
                let canceled = self.store().cancel(id, making::audit("delivery.canceled")).await.unwrap().unwrap();
                assert_eq!(canceled.stopped, stopped);
                self.take_times(id);
            }
            Action::CatchUp(pick) => self.catch_up(*pick).await,
            Action::DeleteEndpoint(pick) => self.delete_endpoint(*pick).await,
            Action::Prune(pick) => self.prune(*pick).await,
            Action::Reopen => self.reopen(),
            Action::Crash { seed } => self.crash(*seed),
            Action::Fault { fault, post, seed } => self.fault(*fault, post, *seed).await,
        }
    }

    async fn accept(&mut self, posts: &[Vec<Post>]) {
        let posts: Vec<Vec<_>> =
            posts.iter().map(|post| post.iter().map(|event| self.model.new_event(event)).collect()).collect();
        let answers = join_all(posts.iter().map(|post| self.store().accept(post.clone()))).await;
        for (post, answer) in posts.iter().zip(answers) {
            match answer {
                Ok(accepted) => self.accepted(post, accepted),
                Err(AcceptError::Conflict { index, .. }) => self.expect_conflict(post, index),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn accepted(&mut self, post: &[NewEvent], accepted: Vec<Accepted>) {
        for (new, accepted) in post.iter().zip(accepted) {
            let expected = self.model.expect(new);
            if accepted.repeated {
                assert_eq!(expected, Expected::Repeated(accepted.event.key));
            } else {
                assert_eq!(expected, Expected::New);
                self.model.accept(new, accepted.event.clone());
                self.take_times_of(accepted.event.first_delivery, accepted.event.delivery_count);
            }
        }
    }

    /// A post whose batch fails. It is not acknowledged, so afterwards it is there whole or not at all.
    async fn fault(&mut self, fault: Fault, post: &[Post], seed: u64) {
        let post: Vec<NewEvent> = post.iter().map(|event| self.model.new_event(event)).collect();
        self.ground.fail_next(fault);
        let answer = self.store().accept(post.clone()).await;
        let keeps = self.ground.keeps(fault);
        self.die(seed);
        match answer {
            // Nothing had to be committed.
            Ok(accepted) => {
                assert!(accepted.iter().all(|accepted| accepted.repeated), "acknowledged, though its batch failed");
            }
            Err(AcceptError::Conflict { index, .. }) => self.expect_conflict(&post, index),
            Err(error @ AcceptError::NotRepeated { .. }) => panic!("{error}"),
            Err(AcceptError::Store(_)) => {
                let newest = PageRequest { limit: 10, after: None };
                let mut found = self.store().events(&EventFilter::default(), newest).unwrap().items;
                found.retain(|event| !self.model.events.contains_key(&event.key));
                let is_new = post.iter().any(|new| self.model.expect(new) == Expected::New);
                assert!(keeps.is_none_or(|keeps| (keeps && is_new) != found.is_empty()), "{fault:?}: {found:?}");
                if !found.is_empty() {
                    for new in &post {
                        match self.model.expect(new) {
                            Expected::New => {
                                let event = found.pop().expect("an event of the batch is missing");
                                let (first, count) = (event.first_delivery, event.delivery_count);
                                self.model.accept(new, event);
                                self.take_times_of(first, count);
                            }
                            Expected::Repeated(_) => {}
                            Expected::Conflict => panic!("a conflict was stored"),
                        }
                    }
                }
                assert!(found.is_empty(), "nobody posted {found:?}");
            }
        }
        compare(self.store(), &self.model);
    }

    /// The conflicting event has its id or key from a stored event, or from one before it in the same post.
    fn expect_conflict(&self, post: &[NewEvent], index: usize) {
        let new = &post[index];
        let shares = |other: &NewEvent| {
            (new.id.is_some() && new.id == other.id)
                || (new.idempotency.is_some() && new.idempotency == other.idempotency)
        };
        let stored = self.model.expect(new) == Expected::Conflict;
        assert!(stored || post[..index].iter().any(shares), "no reason for a conflict");
    }

    async fn settle_fresh(&mut self, picks: &[(Index, Answer)]) {
        let mut chosen = Vec::new();
        for (pick, answer) in picks {
            let fresh: Vec<DeliveryId> =
                self.model.alive().into_iter().flat_map(|endpoint| self.model.fresh(endpoint)).collect();
            if let Some(id) = choose(&fresh, *pick) {
                let settlement = self.settlement(id, None, Trigger::Schedule, *answer);
                chosen.push((settlement, self.model.deliveries[&id].delivery.clone()));
            }
        }
        let (settlements, expected): (Vec<_>, Vec<_>) = chosen.into_iter().unzip();
        let settled = join_all(settlements.into_iter().map(|settlement| self.store().settle(settlement))).await;
        let found: Vec<_> = settled.into_iter().map(|settled| settled.unwrap().delivery).collect();
        assert_eq!(found, expected);
    }

    pub async fn settle(&mut self, id: DeliveryId, due: Option<DueRow>, trigger: Trigger, answer: Answer) {
        let settlement = self.settlement(id, due, trigger, answer);
        let settled = self.store().settle(settlement).await.unwrap();
        assert_eq!(settled.delivery, self.model.deliveries[&id].delivery);
    }

    /// Settles in the model, and makes what the store is told.
    fn settlement(&mut self, id: DeliveryId, due: Option<DueRow>, trigger: Trigger, answer: Answer) -> Settlement {
        let known = &self.model.deliveries[&id].delivery;
        let at = due.map_or(known.created_at, |due| due.at).max(self.last_start.plus(Duration::from_millis(1)));
        self.last_start = at;
        let endpoint = known.endpoint_id;
        let (attempt, newer_secret) = attempt(answer, trigger, at);
        let mut settlement = making::settlement(id, due, attempt);
        settlement.newer_secret = newer_secret;
        self.model.settle(id, due, &settlement.attempt, newer_secret, settlement.times);
        settlement.queue_position = self.model.position(endpoint);
        settlement
    }

    async fn retry(&mut self, picks: &[Index]) {
        let ids: Vec<DeliveryId> = picks.iter().filter_map(|pick| self.delivery(*pick)).collect();
        let retried = self.store().retry(ids.clone(), making::audit("delivery.retried")).await.unwrap();
        let alive = ids.iter().filter(|id| self.is_alive(**id));
        assert_eq!(retried.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), alive.copied().collect::<Vec<_>>());
        for delivery in retried {
            let known = self.model.deliveries.get_mut(&delivery.id).unwrap();
            if known.asked.len() < crate::store::stored::MOST_ASKED {
                known.asked.push(Trigger::Manual);
            }
        }
    }

    async fn replay(&mut self, picks: &[Index]) {
        let ids: Vec<DeliveryId> = picks.iter().filter_map(|pick| self.delivery(*pick)).collect();
        let count = self.store().replay(ids.clone()).await.unwrap();
        let alive: Vec<DeliveryId> = ids.into_iter().filter(|id| self.is_alive(*id)).collect();
        assert_eq!(count, u64::try_from(alive.len()).unwrap());
        for id in alive {
            let delivery = &mut self.model.deliveries.get_mut(&id).unwrap().delivery;
            *delivery = crate::domain::schedule::replayed(delivery, Timestamp::EPOCH);
            self.take_times(id);
        }
    }

    async fn catch_up(&mut self, pick: Index) {
        let Some(endpoint) = choose(&self.model.alive(), pick) else { return };
        let question = MissedQuestion {
            endpoint,
            account: self.model.endpoints[&endpoint].account.clone(),
            subscriptions: vec![Subscription::Below("batch".parse().unwrap())],
            only: std::collections::BTreeSet::new(),
            since: Timestamp::EPOCH,
            until: Timestamp::from_millis(i64::MAX),
            after: None,
        };
        let missed = self.store().missed(&question, 1_000).unwrap();
        assert!(missed.next.is_none());
        let wanted = self.model.events.values().filter(|known| {
            let event = &known.event;
            !event.test
                && event.account == question.account
                && event.event_type.as_str().starts_with("batch.")
                && !self.model.of(endpoint).any(|delivery| delivery.delivery.event_key == event.key)
        });
        assert_eq!(missed.items, wanted.map(|known| known.event.key).collect::<Vec<_>>());
        self.watcher.0.lock().unwrap().clear();
        let made = self.store().catch_up(endpoint, missed.items.clone()).await.unwrap();
        assert_eq!(made, u64::try_from(missed.items.len()).unwrap());
        assert_eq!(self.store().catch_up(endpoint, missed.items).await.unwrap(), 0, "nothing is sent twice");
        let changes = std::mem::take(&mut *self.watcher.0.lock().unwrap());
        for change in changes {
            if let Change::Changed { delivery, .. } = change {
                let event = self.model.events[&delivery.event_key].event.clone();
                self.model.add_delivery(delivery.id, endpoint, &event, Trigger::Replay);
                self.take_times(delivery.id);
            }
        }
    }

    async fn delete_endpoint(&mut self, pick: Index) {
        let Some(endpoint) = choose(&self.model.alive(), pick) else { return };
        assert!(self.store().delete_endpoint(endpoint, making::audit("endpoint.deleted")).await.unwrap());
        assert_eq!(self.store().endpoints_to_drop(), [endpoint]);
        while self.store().drop_queue(endpoint).await.unwrap() {}
        assert!(self.store().endpoints_to_drop().is_empty());
        if let Some(known) = self.model.endpoints.get_mut(&endpoint) {
            known.alive = false;
        }
        let ids: Vec<DeliveryId> = self.model.of(endpoint).map(|known| known.delivery.id).collect();
        for id in ids {
            if self.model.cancel(id) {
                self.take_times(id);
            }
            self.model.deliveries.get_mut(&id).unwrap().asked.clear();
        }
    }

    async fn prune(&mut self, pick: Index) {
        // Between two events, or behind all of them.
        let mut times: Vec<Timestamp> = self.model.events.values().map(|known| known.event.accepted_at).collect();
        times.push(Timestamp::from_millis(i64::MAX));
        let before = times[pick.index(times.len())];
        while self.store().prune(before).await.unwrap() {}
        let keys: Vec<_> = self.model.events.keys().copied().collect();
        for key in keys {
            let id = self.model.events[&key].event.id.clone();
            let gone = self.store().event(&id).unwrap().is_none();
            let over = self.model.is_over(key, before);
            assert!(over || !gone, "{id} went too early");
            assert!(gone || !over || !self.new_round, "{id} stayed");
            if gone {
                self.model.remove(key);
            }
        }
        self.new_round = false;
    }

    /// Takes over the times that the store chose, once everything else was found equal.
    fn take_times(&mut self, id: DeliveryId) {
        let stored = self.store.as_ref().unwrap().delivery(id).unwrap().unwrap();
        let known = &mut self.model.deliveries.get_mut(&id).unwrap().delivery;
        assert_eq!(known.next.map(|next| next.trigger), stored.next.map(|next| next.trigger), "{id}");
        known.next = stored.next;
        known.created_at = stored.created_at;
        assert_eq!(known.completed_at.is_some(), stored.completed_at.is_some());
        known.completed_at = stored.completed_at;
        assert_eq!(*known, stored);
    }

    fn take_times_of(&mut self, first: DeliveryId, count: u32) {
        for n in 0..count {
            self.take_times(DeliveryId::from_u128(first.as_u128() + u128::from(n)));
        }
    }

    pub fn all_due(&self) -> Vec<DueRow> {
        let end = Timestamp::from_millis(i64::MAX);
        let of = |endpoint: EndpointId, class| self.store().due(endpoint, class, end, 1_000).unwrap();
        let alive = self.model.alive();
        let both = alive.into_iter().flat_map(|id| [(id, DueClass::AskedFor), (id, DueClass::InTurn)]);
        both.flat_map(|(id, class)| of(id, class)).collect()
    }

    fn delivery(&self, pick: Index) -> Option<DeliveryId> {
        let ids: Vec<DeliveryId> = self.model.deliveries.keys().copied().collect();
        choose(&ids, pick)
    }

    fn is_alive(&self, id: DeliveryId) -> bool {
        self.model.endpoints[&self.model.deliveries[&id].delivery.endpoint_id].alive
    }
}

fn choose<T: Copy>(from: &[T], pick: Index) -> Option<T> {
    (!from.is_empty()).then(|| *pick.get(from))
}
