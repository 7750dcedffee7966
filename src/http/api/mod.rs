//! The routes, one file per resource: each holds its requests, answers, examples and handlers. The table below is the
//! only place where a path meets its handlers; a test holds it against the OpenAPI document.

mod attempts;
pub mod audit_log;
mod backup;
pub mod deliveries;
pub mod delivery_actions;
pub mod endpoint_actions;
mod endpoint_fields;
pub mod endpoint_patch;
mod endpoint_resource;
pub mod endpoint_secrets;
pub mod endpoints;
mod event_batch;
pub mod event_dry_run;
pub mod event_types;
pub mod events;
mod portal_links;
pub mod posted_event;
mod probes;
pub mod replay;
pub mod stats;
pub mod stream;
pub mod tokens;

use std::future::ready;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError, Route, guard,
    http::header::{self, HeaderValue},
    web,
};
use utoipa::OpenApi;

use super::problem::{Kind, Problem};

macro_rules! routes {
    ($($path:literal => { $($method:ident $handler:path),+ $(,)? })+) => {
        /// Every path with its methods.
        #[cfg(test)]
        pub const ROUTES: &[(&str, &[&str])] = &[$(($path, &[$(stringify!($method)),+])),+];

        fn resources(config: &mut web::ServiceConfig) {
            $(
                let allow = [$(methods::$method::ALLOW),+].join(", ");
                config.service(
                    web::resource($path)
                        $(.route(methods::$method::route().to($handler)))+
                        .default_service(web::to(move || ready(method_not_allowed(&allow)))),
                );
            )+
        }
    };
}

// A path with a fixed last part stands before the one with an id in the same place.
routes! {
    "/healthz" => { get probes::healthz }
    "/readyz" => { get probes::readyz }
    "/metrics" => { get super::metrics::metrics }
    "/openapi.json" => { get super::openapi::openapi }
    "/v1/events" => { get events::list, post events::create }
    "/v1/events/batch" => { post event_batch::create }
    "/v1/events/dry-run" => { post event_dry_run::create }
    "/v1/events/{id}" => { get events::get }
    "/v1/endpoints" => { get endpoints::list, post endpoints::create }
    "/v1/endpoints/{id}" => { get endpoints::get, patch endpoints::update, delete endpoints::delete }
    "/v1/endpoints/{id}/secret" => { get endpoint_secrets::get }
    "/v1/endpoints/{id}/rotate-secret" => { post endpoint_secrets::rotate }
    "/v1/endpoints/{id}/test" => { post endpoint_actions::test }
    "/v1/endpoints/{id}/replay" => { post endpoint_actions::replay }
    "/v1/accounts/{account}/portal-link" => { post portal_links::create }
    "/v1/deliveries" => { get deliveries::list }
    "/v1/deliveries/retry" => { post delivery_actions::retry_all }
    "/v1/deliveries/{id}" => { get deliveries::get }
    "/v1/deliveries/{id}/retry" => { post delivery_actions::retry }
    "/v1/deliveries/{id}/cancel" => { post delivery_actions::cancel }
    "/v1/event-types" => { get event_types::list, post event_types::create }
    "/v1/event-types/{name}" => { get event_types::get, put event_types::put, delete event_types::delete }
    "/v1/tokens" => { get tokens::list, post tokens::create }
    "/v1/tokens/{id}" => { delete tokens::delete }
    "/v1/audit-log" => { get audit_log::list }
    "/v1/stats" => { get stats::get }
    "/v1/stream" => { get_only stream::stream }
    "/v1/backup" => { get_only backup::get }
}

/// The paths of the document; what all of them share is added in `http::openapi`.
#[derive(OpenApi)]
#[openapi(paths(
    probes::healthz,
    probes::readyz,
    super::metrics::metrics,
    super::openapi::openapi,
    events::list,
    events::create,
    event_batch::create,
    event_dry_run::create,
    events::get,
    endpoints::list,
    endpoints::create,
    endpoints::get,
    endpoints::update,
    endpoints::delete,
    endpoint_secrets::get,
    endpoint_secrets::rotate,
    endpoint_actions::test,
    endpoint_actions::replay,
    portal_links::create,
    deliveries::list,
    delivery_actions::retry_all,
    deliveries::get,
    delivery_actions::retry,
    delivery_actions::cancel,
    event_types::list,
    event_types::create,
    event_types::get,
    event_types::put,
    event_types::delete,
    tokens::list,
    tokens::create,
    tokens::delete,
    audit_log::list,
    stats::get,
    stream::stream,
    backup::get,
))]
pub struct Paths;

/// Adds the routes to an application.
pub fn configure(config: &mut web::ServiceConfig) {
    resources(config);
}

/// What is answered where there is no route.
pub fn not_found(request: &HttpRequest) -> HttpResponse {
    Problem::new(Kind::NotFound, format!("there is no route {}", request.path())).error_response()
}

fn method_not_allowed(allow: &str) -> HttpResponse {
    let problem = Problem::new(Kind::MethodNotAllowed, format!("this route has {allow}"));
    match HeaderValue::try_from(allow) {
        Ok(allow) => problem.with_header(header::ALLOW, allow).error_response(),
        Err(_) => problem.error_response(),
    }
}

/// A route for each method; what can be asked for with GET, can be with HEAD.
mod methods {
    macro_rules! methods {
        ($($name:ident, $allow:literal, $guard:expr;)+) => {$(
            pub mod $name {
                use super::super::{Route, guard};

                pub const ALLOW: &str = $allow;

                pub fn route() -> Route {
                    Route::new().guard($guard)
                }
            }
        )+};
    }

    methods! {
        get, "GET, HEAD", guard::Any(guard::Get()).or(guard::Head());
        get_only, "GET", guard::Get();
        post, "POST", guard::Post();
        put, "PUT", guard::Put();
        patch, "PATCH", guard::Patch();
        delete, "DELETE", guard::Delete();
    }
}
