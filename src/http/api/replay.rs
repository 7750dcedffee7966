//! A replay in bounded steps: it pages through what was sent and what was missed, and has the store begin each page
//! again in one commit.

use std::{collections::BTreeSet, sync::Arc};

use super::delivery_actions::{Counted, LONGEST_COUNT};
use crate::{
    clock::Clock,
    domain::{
        delivery::{Delivery, DeliveryStatus},
        endpoint::Endpoint,
        event_type::EventTypeName,
        time::Timestamp,
    },
    http::Api,
    store::{DeliveryFilter, MissedQuestion, PageRequest, StoreError},
};

/// So many deliveries begin again in one commit.
const CHUNK: usize = 500;

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Deliveries that failed.
    Failed,
    /// Events that the endpoint subscribes to, but has no delivery of.
    Missed,
    /// Every delivery, and what was missed.
    All,
}

impl Selection {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Missed => "missed",
            Self::All => "all",
        }
    }
}

/// Whether a replay is made, or only counted.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Begin,
    Count { most: u64, until: Timestamp },
}

impl Mode {
    fn is_enough(self, count: u64, clock: &Clock) -> bool {
        matches!(self, Self::Count { most, until } if count >= most || clock.steady() >= until)
    }
}

/// One replay of one endpoint.
pub struct Replay {
    pub api: Arc<Api>,
    pub endpoint: Arc<Endpoint>,
    pub since: Timestamp,
    pub until: Timestamp,
    pub select: Selection,
    /// These types alone, unless empty.
    pub only: BTreeSet<EventTypeName>,
}

impl Replay {
    /// Does it. The count is of what began again, whatever the outcome.
    pub async fn run(&self) -> (u64, Result<(), StoreError>) {
        let mut count = 0;
        let outcome = self.steps(&mut count, Mode::Begin).await;
        (count, outcome)
    }

    /// How many deliveries it would begin again; counted no further than `most`, nor for long.
    pub async fn count(&self, most: u64) -> Result<Counted, StoreError> {
        let until = self.api.clock().steady().plus(LONGEST_COUNT);
        let mut count = 0;
        self.steps(&mut count, Mode::Count { most, until }).await?;
        Ok(Counted { count, is_all: count < most && self.api.clock().steady() < until })
    }

    async fn steps(&self, count: &mut u64, mode: Mode) -> Result<(), StoreError> {
        // What was sent goes first: catching up makes deliveries that would else be taken for sent ones.
        match self.select {
            Selection::Failed => self.sent(Some(DeliveryStatus::Failed), count, mode).await,
            Selection::Missed => self.missed(count, mode).await,
            Selection::All => {
                self.sent(None, count, mode).await?;
                self.missed(count, mode).await
            }
        }
    }

    async fn sent(&self, status: Option<DeliveryStatus>, count: &mut u64, mode: Mode) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let filter = DeliveryFilter {
                status,
                endpoint: Some(self.endpoint.id),
                since: Some(self.since),
                until: Some(self.until),
                ..DeliveryFilter::default()
            };
            let read =
                self.api.store().read(move |store| store.deliveries(&filter, PageRequest { limit: CHUNK, after }));
            let page = read.await?;
            let wanted = |delivery: &&Delivery| {
                !delivery.test && (self.only.is_empty() || self.only.contains(&delivery.event_type))
            };
            let ids: Vec<_> = page.items.iter().filter(wanted).map(|delivery| delivery.id).collect();
            match mode {
                Mode::Begin if !ids.is_empty() => *count += self.api.store().replay(ids).await?,
                Mode::Begin => {}
                Mode::Count { .. } => *count += ids.len() as u64,
            }
            after = page.next;
            if after.is_none() || mode.is_enough(*count, self.api.clock()) {
                return Ok(());
            }
        }
    }

    async fn missed(&self, count: &mut u64, mode: Mode) -> Result<(), StoreError> {
        let mut question = MissedQuestion {
            endpoint: self.endpoint.id,
            account: self.endpoint.account.clone(),
            subscriptions: self.endpoint.event_types.clone(),
            only: self.only.clone(),
            since: self.since,
            until: self.until,
            after: None,
        };
        loop {
            let asked = question.clone();
            let page = self.api.store().read(move |store| store.missed(&asked, CHUNK)).await?;
            match mode {
                Mode::Begin if !page.items.is_empty() => {
                    *count += self.api.store().catch_up(self.endpoint.id, page.items).await?;
                }
                Mode::Begin => {}
                Mode::Count { .. } => *count += page.items.len() as u64,
            }
            question.after = page.next;
            if question.after.is_none() || mode.is_enough(*count, self.api.clock()) {
                return Ok(());
            }
        }
    }
}
