//! EndpointRegistry: the owner of all endpoints' settings. Changes are messages to it, made one at a time: stored,
//! then published as a new routing snapshot; then the Dispatcher of an endpoint that may have deliveries looks at it.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use fail::fail_point;
use tokio::sync::oneshot;

use super::{
    dispatchers::{Wake, wake},
    floor::Shared,
    routing::Routing,
    supervisor::{Child, Lifeline},
};
use crate::{
    domain::{
        audit::Actor as AuditActor,
        delivery::Delivery,
        endpoint::{Endpoint, EndpointDefaults, EndpointStatus},
        ids::EndpointId,
    },
    store::{NewAudit, StoreError},
};

/// The pause after the store did not take a step of dropping a queue.
const PAUSE: Duration = Duration::from_secs(1);
/// How long an attempt waits until the registry has acted on what it shows.
const PATIENCE: Duration = Duration::from_secs(2);

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
pub struct Registry {
    shared: Arc<Shared>,
}

impl Registry {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// All endpoints now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Routing> {
        self.shared.routing.load_full()
    }

    /// The settings of endpoints that name none of their own.
    #[must_use]
    pub fn defaults(&self) -> &EndpointDefaults {
        &self.shared.settings.defaults
    }

    /// Whether the attempt that comes next for this delivery is under way now.
    #[must_use]
    pub fn is_sending(&self, delivery: &Delivery) -> bool {
        self.shared.dispatchers.is_sending(delivery)
    }

    /// Stores a new endpoint.
    ///
    /// # Errors
    /// The store did not take it, or the registry is restarting.
    pub async fn create(&self, endpoint: Endpoint, audit: NewAudit) -> Result<Arc<Endpoint>, RegistryError> {
        self.ask(Put { endpoint, audit }).await?
    }

    /// Changes an endpoint, one change at a time; `None`: there is none of this id. `change` may refuse by an error
    /// of its own, which leaves the endpoint as it was.
    ///
    /// # Errors
    /// The store did not take it, or the registry is restarting.
    pub async fn change<E: Send + 'static>(
        &self,
        id: EndpointId,
        audit: NewAudit,
        change: impl FnOnce(&mut Endpoint) -> Result<(), E> + Send + 'static,
    ) -> Result<Option<Result<Arc<Endpoint>, E>>, RegistryError> {
        let (refused, refusal) = oneshot::channel();
        let apply = Box::new(move |endpoint: &mut Endpoint| match change(endpoint) {
            Ok(()) => true,
            Err(error) => {
                // Nobody waits for it any more: then nobody is told.
                let _ = refused.send(error);
                false
            }
        });
        match self.ask(Change { id, audit, apply }).await?? {
            Changed::Unknown => Ok(None),
            Changed::Done(endpoint) => Ok(Some(Ok(endpoint))),
            Changed::Refused => refusal.await.map(|error| Some(Err(error))).map_err(|_| RegistryError::Restarting),
        }
    }

    /// Deletes an endpoint; false: there is none of this id.
    ///
    /// # Errors
    /// The store did not take it, or the registry is restarting.
    pub async fn delete(&self, id: EndpointId, audit: NewAudit) -> Result<bool, RegistryError> {
        self.ask(Delete { id, audit }).await?
    }

    async fn ask<M>(&self, message: M) -> Result<M::Result, RegistryError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        EndpointRegistry: Handler<M>,
    {
        let addr = self.shared.registry.load_full().ok_or(RegistryError::Restarting)?;
        addr.send(message).await.map_err(|_| RegistryError::Restarting)
    }
}

impl Shared {
    /// Tells the registry something that an attempt has shown, and waits a little until it has acted on it; lost if
    /// it is restarting.
    pub(super) async fn tell_registry<M>(&self, message: M)
    where
        M: Message + Send + 'static,
        M::Result: Send,
        EndpointRegistry: Handler<M>,
    {
        if let Some(addr) = self.registry.load_full() {
            // A later attempt shows it again.
            let _ = tokio::time::timeout(PATIENCE, addr.send(message)).await;
        }
    }
}

#[derive(Message)]
#[rtype(result = "Result<Arc<Endpoint>, RegistryError>")]
pub(super) struct Put {
    endpoint: Endpoint,
    audit: NewAudit,
}

#[derive(Message)]
#[rtype(result = "Result<Changed, RegistryError>")]
pub(super) struct Change {
    id: EndpointId,
    audit: NewAudit,
    apply: Box<dyn FnOnce(&mut Endpoint) -> bool + Send>,
}

pub(super) enum Changed {
    Unknown,
    Refused,
    Done(Arc<Endpoint>),
}

#[derive(Message)]
#[rtype(result = "Result<bool, RegistryError>")]
pub(super) struct Delete {
    id: EndpointId,
    audit: NewAudit,
}

/// A receiver answered in a way that ends its endpoint's deliveries.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Disable {
    pub(super) endpoint: EndpointId,
    pub(super) reason: &'static str,
}

/// A receiver answered 2xx to a platform signature made with the secret of this generation.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct SecretTaken {
    pub(super) endpoint: EndpointId,
    pub(super) generation: u32,
}

pub(super) struct EndpointRegistry {
    shared: Arc<Shared>,
    _lifeline: Lifeline,
}

impl EndpointRegistry {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let lifeline = Lifeline::new(&shared, Child::EndpointRegistry);
        Self { shared, _lifeline: lifeline }
    }

    fn drop_queue(&self, endpoint: EndpointId) {
        let shared = Arc::clone(&self.shared);
        actix_rt::spawn(async move {
            loop {
                match shared.store.drop_queue(endpoint).await {
                    Ok(true) => {}
                    Ok(false) | Err(StoreError::Closed) => return,
                    Err(error) => {
                        tracing::warn!(%endpoint, %error, "a deleted endpoint's queue could not be dropped; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }
}

impl Actor for EndpointRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(256);
        // A death may have come between a commit and its publication.
        match self.shared.store.endpoints() {
            Ok(endpoints) => self.shared.routing.store(Arc::new(Routing::of(endpoints))),
            Err(error) => tracing::error!(%error, "the endpoints could not be read again"),
        }
        for endpoint in self.shared.store.endpoints_to_drop() {
            self.drop_queue(endpoint);
        }
    }
}

/// Stores an endpoint and publishes it.
async fn put(shared: &Arc<Shared>, endpoint: Endpoint, audit: NewAudit) -> Result<Arc<Endpoint>, RegistryError> {
    shared.store.put_endpoint(endpoint.clone(), audit).await?;
    let endpoint = Arc::new(endpoint);
    shared.routing.store(Arc::new(shared.routing.load().with(Arc::clone(&endpoint))));
    Ok(endpoint)
}

/// The same with one that may have deliveries, as a new one cannot: its Dispatcher is to look at it.
async fn replace(shared: &Arc<Shared>, endpoint: Endpoint, audit: NewAudit) -> Result<Arc<Endpoint>, RegistryError> {
    let endpoint = put(shared, endpoint, audit).await?;
    wake(shared, endpoint.id, Wake::ALL);
    Ok(endpoint)
}

async fn change(shared: &Arc<Shared>, message: Change) -> Result<Changed, RegistryError> {
    let Some(before) = shared.routing.load().endpoint(message.id).cloned() else { return Ok(Changed::Unknown) };
    let mut endpoint = Endpoint::clone(&before);
    if !(message.apply)(&mut endpoint) {
        return Ok(Changed::Refused);
    }
    endpoint.updated_at = shared.clock.wall();
    replace(shared, endpoint, message.audit).await.map(Changed::Done)
}

impl Handler<Put> for EndpointRegistry {
    type Result = AtomicResponse<Self, Result<Arc<Endpoint>, RegistryError>>;

    fn handle(&mut self, message: Put, _: &mut Context<Self>) -> Self::Result {
        fail_point!("registry::handle");
        let shared = Arc::clone(&self.shared);
        AtomicResponse::new(Box::pin(
            async move { put(&shared, message.endpoint, message.audit).await }.into_actor(self),
        ))
    }
}

impl Handler<Change> for EndpointRegistry {
    type Result = AtomicResponse<Self, Result<Changed, RegistryError>>;

    fn handle(&mut self, message: Change, _: &mut Context<Self>) -> Self::Result {
        fail_point!("registry::handle");
        let shared = Arc::clone(&self.shared);
        AtomicResponse::new(Box::pin(async move { change(&shared, message).await }.into_actor(self)))
    }
}

impl Handler<Delete> for EndpointRegistry {
    type Result = AtomicResponse<Self, Result<bool, RegistryError>>;

    fn handle(&mut self, message: Delete, _: &mut Context<Self>) -> Self::Result {
        fail_point!("registry::handle");
        let shared = Arc::clone(&self.shared);
        let deletion = async move {
            let deleted = shared.store.delete_endpoint(message.id, message.audit).await?;
            shared.routing.store(Arc::new(shared.routing.load().without(message.id)));
            Ok(deleted)
        };
        AtomicResponse::new(Box::pin(deletion.into_actor(self).map(move |deleted, registry, _| {
            if matches!(deleted, Ok(true)) {
                registry.drop_queue(message.id);
            }
            deleted
        })))
    }
}

impl Handler<Disable> for EndpointRegistry {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: Disable, _: &mut Context<Self>) -> Self::Result {
        fail_point!("registry::handle");
        let shared = Arc::clone(&self.shared);
        AtomicResponse::new(Box::pin(async move { disable(&shared, &message).await }.into_actor(self)))
    }
}

async fn disable(shared: &Arc<Shared>, message: &Disable) {
    let Some(before) = shared.routing.load().endpoint(message.endpoint).cloned() else { return };
    if matches!(before.status, EndpointStatus::Disabled { .. }) {
        return;
    }
    let mut endpoint = Endpoint::clone(&before);
    endpoint.status = EndpointStatus::Disabled { reason: message.reason.to_owned() };
    endpoint.updated_at = shared.clock.wall();
    let audit = NewAudit {
        actor: AuditActor::Server,
        action: "endpoint.disabled",
        subject: endpoint.id.to_string(),
        account: Some(endpoint.account.clone()),
        details: message.reason.to_owned(),
    };
    if let Err(error) = replace(shared, endpoint, audit).await {
        tracing::warn!(endpoint = %message.endpoint, %error, "an endpoint that is gone could not be disabled");
    }
}

impl Handler<SecretTaken> for EndpointRegistry {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, message: SecretTaken, _: &mut Context<Self>) -> Self::Result {
        let shared = Arc::clone(&self.shared);
        AtomicResponse::new(Box::pin(async move { secret_taken(&shared, &message).await }.into_actor(self)))
    }
}

async fn secret_taken(shared: &Arc<Shared>, message: &SecretTaken) {
    let Some(before) = shared.routing.load().endpoint(message.endpoint).cloned() else { return };
    let mut endpoint = Endpoint::clone(&before);
    if !endpoint.secrets.taken_by_receiver(message.generation) {
        return;
    }
    let audit = NewAudit {
        actor: AuditActor::Server,
        action: "endpoint.secret_taken",
        subject: endpoint.id.to_string(),
        account: Some(endpoint.account.clone()),
        details: "the receiver takes the new secret".to_owned(),
    };
    if let Err(error) = replace(shared, endpoint, audit).await {
        tracing::warn!(endpoint = %message.endpoint, %error, "a receiver's new secret could not be noted");
    }
}
