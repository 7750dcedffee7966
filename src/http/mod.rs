//! The HTTP floor: the admin API (contract, section 3), its OpenAPI document, the probes, `/metrics`, and the dashboard
//! (section 6), which stands beside the API and goes through the same checks. Handlers check and translate; what things mean is decided on the ground floor, and the store and the actors do the work.
//!
//! The order of checks is the same on every route: route and method (404, 405), token (401), role (403), media type
//! (415), size (413), syntax and types (400), meaning (422), existence (404), conflict (409). 400 is for what the OpenAPI
//! document alone shows to be wrong; 422 for what is wrong by meaning, by settings or by what is stored.

pub mod answer;
mod api;
pub mod auth;
mod bounded;
mod catalog;
mod dashboard;
mod duration_range;
mod extract;
mod lifecycle;
mod list;
mod metrics;
mod openapi;
pub mod problem;
mod schema;
mod sessions;
mod text;
mod tokens;
mod waiting;

use std::sync::{Arc, OnceLock};

use actix_web::{HttpRequest, web};
use bytes::Bytes;

pub use catalog::{Catalog, CatalogError};
pub use dashboard::{Accent, Logo, LookError, PlatformName, PortalLook, PublicUrl};
pub use lifecycle::{Lifecycle, Phase};
pub use tokens::{TokenText, TokenTextError, Tokens};

use crate::{
    actors::{endpoint_registry::Registry, live::LiveTail},
    clock::Clock,
    store::{Store, StoreError},
};

/// What the server's flags say to this floor.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The largest `data.object` that is taken, in bytes.
    pub max_event_size: usize,
    /// Whether endpoints may have `http` URLs.
    pub allow_http: bool,
    /// How the dashboard looks to customers.
    pub portal: PortalLook,
    /// Where browsers find the server, if not at its own address.
    pub public_url: Option<PublicUrl>,
}

/// Everything that handlers need; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

struct Parts {
    store: Store,
    clock: Clock,
    registry: Registry,
    live: LiveTail,
    settings: Settings,
    catalog: Catalog,
    tokens: Tokens,
    sessions: sessions::Sessions,
    sign_ins: dashboard::Throttle,
    assets: dashboard::Assets,
    lifecycle: Lifecycle,
    /// Made when first asked for: a start does not wait for it.
    document: OnceLock<Bytes>,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The catalog was not read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The tokens were not read.
    #[error("the tokens cannot be read: {0}")]
    Tokens(StoreError),
    /// The sessions were not read.
    #[error("the sessions cannot be read: {0}")]
    Sessions(StoreError),
}

impl Api {
    /// Reads the catalog and the tokens from the store.
    pub fn load(
        store: Store,
        clock: Clock,
        registry: Registry,
        live: LiveTail,
        settings: Settings,
    ) -> Result<Self, LoadError> {
        let catalog = Catalog::load(&store)?;
        let tokens = Tokens::load(&store).map_err(LoadError::Tokens)?;
        let sessions = sessions::Sessions::load(&store).map_err(LoadError::Sessions)?;
        let assets = dashboard::Assets::new(&settings.portal);
        Ok(Self(Arc::new(Parts {
            store,
            clock,
            registry,
            live,
            settings,
            catalog,
            tokens,
            sessions,
            sign_ins: dashboard::Throttle::default(),
            assets,
            lifecycle: Lifecycle::new(),
            document: OnceLock::new(),
        })))
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The clocks.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The endpoints.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The source of live streams.
    pub fn live(&self) -> &LiveTail {
        &self.0.live
    }

    /// Where browsers find this server: what `--public-url` says, else what the request was sent to.
    fn origin(&self, request: &HttpRequest) -> String {
        if let Some(url) = &self.settings().public_url {
            return url.origin().to_owned();
        }
        let asked = request.connection_info();
        format!("{}://{}", asked.scheme(), asked.host())
    }

    /// What the flags say.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The event types.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The API tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The dashboard's sessions.
    fn sessions(&self) -> &sessions::Sessions {
        &self.0.sessions
    }

    /// Who tried to sign in lately.
    fn sign_ins(&self) -> &dashboard::Throttle {
        &self.0.sign_ins
    }

    /// The dashboard's files.
    fn assets(&self) -> &dashboard::Assets {
        &self.0.assets
    }

    /// Whether these rights are still somebody's: the token's, or a portal session's.
    fn still_holds(&self, token: &crate::domain::token::Token) -> bool {
        let now = self.clock().wall();
        self.tokens().still_holds(token, now) || self.sessions().still_holds(token, now)
    }

    /// The switch of `/readyz`.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// The OpenAPI document as JSON text.
    fn document(&self) -> &Bytes {
        self.0.document.get_or_init(|| openapi::document().into())
    }

    /// Makes this text the admin token that the server was started with; one from an earlier start is withdrawn.
    pub async fn install_admin_token(&self, text: &TokenText) -> Result<(), StoreError> {
        self.tokens().install_admin(self.store(), self.clock(), text).await
    }

    /// Whether there is a token that can make others; without one, the first start makes it.
    pub fn has_admin_token(&self) -> bool {
        self.tokens().has_admin(self.clock().wall())
    }
}

/// Adds all routes of this floor to an application; what is unknown is answered 404.
pub fn configure(api: Api) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let api = web::Data::new(api);
    move |config| {
        config.app_data(api.clone());
        api::configure(config);
        dashboard::configure(config);
    }
}
