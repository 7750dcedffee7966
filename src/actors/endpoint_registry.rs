//! EndpointRegistry: the owner of all endpoints' settings. Changes are messages to it; readers take the snapshot.

use std::sync::Arc;

use super::routing::Routing;
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointDefaults},
        ids::EndpointId,
    },
    store::{NewAudit, StoreError},
};

/// Why a change of an endpoint was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry is being restarted; try again.
    #[error("the endpoint registry is restarting")]
    Restarting,
}

/// A handle on the registry; cheap to clone.
#[derive(Clone)]
pub struct Registry {}

impl Registry {
    /// All endpoints now.
    pub fn snapshot(&self) -> Arc<Routing> {
        todo!()
    }
    /// The settings of endpoints that name none of their own.
    pub fn defaults(&self) -> &EndpointDefaults {
        todo!()
    }
    /// Stores a new endpoint.
    pub async fn create(&self, endpoint: Endpoint, audit: NewAudit) -> Result<Arc<Endpoint>, RegistryError> {
        todo!()
    }
    /// Changes an endpoint, one change at a time; `None`: there is none of this id. `change` may refuse by an error
    /// of its own, which leaves the endpoint as it was.
    pub async fn change<E: Send + 'static>(
        &self,
        id: EndpointId,
        audit: NewAudit,
        change: impl FnOnce(&mut Endpoint) -> Result<(), E> + Send + 'static,
    ) -> Result<Option<Result<Arc<Endpoint>, E>>, RegistryError> {
        todo!()
    }
    /// Deletes an endpoint; false: there is none of this id.
    pub async fn delete(&self, id: EndpointId, audit: NewAudit) -> Result<bool, RegistryError> {
        todo!()
    }
}
