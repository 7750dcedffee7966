//! The routing snapshot: every endpoint as a shared read-only value, replaced whole on change, so that the way of an
//! event needs no message to the registry.

use std::{collections::HashMap, sync::Arc};

use rpds::RedBlackTreeMapSync;

use crate::domain::{
    account::Account, endpoint::Endpoint, event_type::EventTypeName, ids::EndpointId, subscription::Subscription,
};

/// All endpoints at one moment. A snapshot shares with the one before it all but the account whose endpoint
/// changed, so that neither the time nor the memory of a change grows with the number of accounts.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    endpoints: RedBlackTreeMapSync<EndpointId, Arc<Endpoint>>,
    by_account: RedBlackTreeMapSync<Account, Arc<OfAccount>>,
}

/// Endpoints in the order of their ids.
type List = Vec<Arc<Endpoint>>;

/// One account's endpoints. An event looks at those alone that want its type.
#[derive(Debug, Clone, Default)]
struct OfAccount {
    all: List,
    by_subscription: HashMap<Subscription, Arc<List>>,
}

impl Routing {
    /// The snapshot of these endpoints.
    #[must_use]
    pub fn of(endpoints: Vec<Endpoint>) -> Self {
        let mut routing = Self::default();
        for endpoint in endpoints {
            routing.insert(Arc::new(endpoint));
        }
        routing
    }

    /// The endpoints that a new event is queued for, in their order.
    #[must_use]
    pub fn matching(&self, account: &Account, event_type: &EventTypeName) -> Vec<EndpointId> {
        let Some(of_account) = self.by_account.get(account) else { return Vec::new() };
        let lists = Subscription::matching(event_type).filter_map(|pattern| of_account.by_subscription.get(&pattern));
        let takes = lists.flat_map(|list| list.iter()).filter(|endpoint| endpoint.takes(account, event_type));
        let mut matching: Vec<EndpointId> = takes.map(|endpoint| endpoint.id).collect();
        matching.sort_unstable();
        matching.dedup();
        matching
    }

    /// One endpoint.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(&id)
    }

    /// All of them, in the order of their ids (oldest first).
    #[must_use]
    pub fn endpoints(&self) -> &RedBlackTreeMapSync<EndpointId, Arc<Endpoint>> {
        &self.endpoints
    }

    /// Those of one account, in the order of their ids.
    #[must_use]
    pub fn of_account(&self, account: &Account) -> &[Arc<Endpoint>] {
        self.by_account.get(account).map_or(&[], |of_account| of_account.all.as_slice())
    }

    /// The snapshot with this endpoint, new or changed. An endpoint never moves to another account.
    #[must_use]
    pub fn with(&self, endpoint: Arc<Endpoint>) -> Self {
        let mut next = self.clone();
        next.insert(endpoint);
        next
    }

    /// The snapshot without this endpoint.
    #[must_use]
    pub fn without(&self, id: EndpointId) -> Self {
        let mut next = self.clone();
        let Some(endpoint) = self.endpoints.get(&id) else { return next };
        next.endpoints.remove_mut(&id);
        if let Some(of_account) = next.by_account.get_mut(&endpoint.account) {
            let of_account = Arc::make_mut(of_account);
            of_account.remove(endpoint);
            if of_account.all.is_empty() {
                next.by_account.remove_mut(&endpoint.account);
            }
        }
        next
    }

    fn insert(&mut self, endpoint: Arc<Endpoint>) {
        let before = self.endpoints.get(&endpoint.id).cloned();
        if let Some(of_account) = self.by_account.get_mut(&endpoint.account) {
            let of_account = Arc::make_mut(of_account);
            if let Some(before) = before {
                of_account.remove(&before);
            }
            of_account.insert(&endpoint);
        } else {
            let mut of_account = OfAccount::default();
            of_account.insert(&endpoint);
            self.by_account.insert_mut(endpoint.account.clone(), Arc::new(of_account));
        }
        self.endpoints.insert_mut(endpoint.id, endpoint);
    }
}

impl OfAccount {
    fn insert(&mut self, endpoint: &Arc<Endpoint>) {
        insert(&mut self.all, endpoint);
        for subscription in &endpoint.event_types {
            insert(Arc::make_mut(self.by_subscription.entry(subscription.clone()).or_default()), endpoint);
        }
    }

    fn remove(&mut self, endpoint: &Endpoint) {
        remove(&mut self.all, endpoint.id);
        for subscription in &endpoint.event_types {
            if let Some(list) = self.by_subscription.get_mut(subscription) {
                remove(Arc::make_mut(list), endpoint.id);
            }
        }
        self.by_subscription.retain(|_, list| !list.is_empty());
    }
}

/// Puts an endpoint in its place; one may name a type twice.
fn insert(list: &mut List, endpoint: &Arc<Endpoint>) {
    if let Err(at) = list.binary_search_by_key(&endpoint.id, |other| other.id) {
        list.insert(at, Arc::clone(endpoint));
    }
}

fn remove(list: &mut List, id: EndpointId) {
    if let Ok(at) = list.binary_search_by_key(&id, |other| other.id) {
        list.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{endpoint::EndpointStatus, signature::SigningSecret, time::Timestamp};

    const PATTERNS: [&str; 5] = ["batch.completed", "batch.failed", "batch.*", "*", "response.completed"];

    fn endpoint(id: u128, account: usize, patterns: &[usize], enabled: bool) -> Endpoint {
        let id = EndpointId::from_u128(id);
        let account = ["default", "acct_b"][account].parse().unwrap();
        let event_types = patterns.iter().map(|n| PATTERNS[*n].parse().unwrap()).collect();
        let secret = SigningSecret::from_random([7; 24]);
        let url = "https://example.com/hook".to_owned();
        let endpoint = Endpoint::new(id, account, url, event_types, secret, Timestamp::EPOCH);
        let status = if enabled { endpoint.status } else { EndpointStatus::Disabled { reason: "410".into() } };
        Endpoint { status, ..endpoint }
    }

    proptest! {
        /// Endpoints come, change and go: who is found for an event is who takes it, of all that there are.
        #[test]
        fn whoever_takes_an_event_is_found(
            changes in prop::collection::vec(
                (0..12_u128, prop::collection::vec(0..PATTERNS.len(), 1..4), any::<bool>(), 0..5_u8),
                1..60,
            ),
        ) {
            let mut routing = Routing::default();
            for (id, patterns, enabled, what) in changes {
                routing = match what {
                    0 => routing.without(EndpointId::from_u128(id)),
                    // As it is read from the store.
                    1 => Routing::of(routing.endpoints().values().map(|endpoint| Endpoint::clone(endpoint)).collect()),
                    _ => routing.with(Arc::new(endpoint(id, usize::from(id % 3 == 0), &patterns, enabled))),
                };
                for account in ["default", "acct_b", "acct_c"].map(|name| name.parse::<Account>().unwrap()) {
                    for name in ["batch.completed", "batch.failed", "response.completed", "file.created"] {
                        let name: EventTypeName = name.parse().unwrap();
                        let all = routing.endpoints().values();
                        let takes = all.filter(|endpoint| endpoint.takes(&account, &name)).map(|endpoint| endpoint.id);
                        prop_assert_eq!(routing.matching(&account, &name), takes.collect::<Vec<_>>());
                    }
                    let of_account: Vec<_> = routing.of_account(&account).iter().map(|endpoint| endpoint.id).collect();
                    let all = routing.endpoints().values().filter(|endpoint| endpoint.account == account);
                    prop_assert_eq!(of_account, all.map(|endpoint| endpoint.id).collect::<Vec<_>>());
                }
            }
        }
    }
}
