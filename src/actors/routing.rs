//! The routing snapshot: every endpoint as a shared read-only value, replaced whole on change, so that the way of an
//! event needs no message to the registry.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{account::Account, endpoint::Endpoint, event_type::EventTypeName, ids::EndpointId};

/// All endpoints at one moment.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    endpoints: BTreeMap<EndpointId, Arc<Endpoint>>,
    by_account: BTreeMap<Account, Vec<Arc<Endpoint>>>,
}

impl Routing {
    /// The endpoints that a new event is queued for.
    pub fn matching<'a>(
        &'a self,
        account: &'a Account,
        event_type: &'a EventTypeName,
    ) -> impl Iterator<Item = &'a Arc<Endpoint>> {
        let of_account = self.by_account.get(account).map_or(&[][..], Vec::as_slice);
        of_account.iter().filter(move |endpoint| endpoint.takes(account, event_type))
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
        self.by_account.get(account).map_or(&[], Vec::as_slice)
    }
}
