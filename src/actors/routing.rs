//! The routing snapshot: every endpoint as a shared read-only value, replaced whole on change, so that the way of an
//! event needs no message to the registry.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{account::Account, endpoint::Endpoint, event_type::EventTypeName, ids::EndpointId};

/// All endpoints at one moment.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    endpoints: BTreeMap<EndpointId, Arc<Endpoint>>,
    /// In the order of their ids. An account's list is shared with the snapshot before, until it changes.
    by_account: BTreeMap<Account, Arc<Vec<Arc<Endpoint>>>>,
}

impl Routing {
    /// The snapshot of these endpoints.
    #[must_use]
    pub fn of(endpoints: Vec<Endpoint>) -> Self {
        let mut by_account: BTreeMap<Account, Vec<Arc<Endpoint>>> = BTreeMap::new();
        let endpoints: BTreeMap<_, _> =
            endpoints.into_iter().map(|endpoint| (endpoint.id, Arc::new(endpoint))).collect();
        for endpoint in endpoints.values() {
            by_account.entry(endpoint.account.clone()).or_default().push(Arc::clone(endpoint));
        }
        Self {
            endpoints,
            by_account: by_account.into_iter().map(|(account, list)| (account, Arc::new(list))).collect(),
        }
    }

    /// The endpoints that a new event is queued for.
    pub fn matching<'a>(
        &'a self,
        account: &'a Account,
        event_type: &'a EventTypeName,
    ) -> impl Iterator<Item = &'a Arc<Endpoint>> {
        self.of_account(account).iter().filter(move |endpoint| endpoint.takes(account, event_type))
    }

    /// One endpoint.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(&id)
    }

    /// All of them, in the order of their ids (oldest first).
    #[must_use]
    pub fn endpoints(&self) -> &BTreeMap<EndpointId, Arc<Endpoint>> {
        &self.endpoints
    }

    /// Those of one account, in the order of their ids.
    #[must_use]
    pub fn of_account(&self, account: &Account) -> &[Arc<Endpoint>] {
        self.by_account.get(account).map_or(&[], |list| list.as_slice())
    }

    /// The snapshot with this endpoint, new or changed. An endpoint never moves to another account.
    #[must_use]
    pub fn with(&self, endpoint: &Arc<Endpoint>) -> Self {
        let mut next = self.clone();
        next.endpoints.insert(endpoint.id, Arc::clone(endpoint));
        let list = Arc::make_mut(next.by_account.entry(endpoint.account.clone()).or_default());
        match list.binary_search_by_key(&endpoint.id, |other| other.id) {
            Ok(at) => {
                if let Some(place) = list.get_mut(at) {
                    *place = Arc::clone(endpoint);
                }
            }
            Err(at) => list.insert(at, Arc::clone(endpoint)),
        }
        next
    }

    /// The snapshot without this endpoint.
    #[must_use]
    pub fn without(&self, id: EndpointId) -> Self {
        let mut next = self.clone();
        if let Some(endpoint) = next.endpoints.remove(&id)
            && let Some(list) = next.by_account.get_mut(&endpoint.account)
        {
            Arc::make_mut(list).retain(|other| other.id != id);
            if list.is_empty() {
                next.by_account.remove(&endpoint.account);
            }
        }
        next
    }
}
