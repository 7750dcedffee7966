//! `/healthz` and `/readyz`, for whoever restarts the server and whoever sends it work. Open without a token.

use actix_web::{HttpResponse, ResponseError, web::Data};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{
    Api, Phase, answer,
    extract::NoQuery,
    problem::{Kind, Problem},
};

/// The answer of a probe.
#[derive(Serialize, ToSchema)]
pub struct Probe {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the server works
///
/// A server that does not answer here is to be restarted: where its store fails it ends by itself.
#[utoipa::path(get, path = "/healthz", tag = "probes", operation_id = "healthz", responses(
    (status = 200, description = "It works.", body = Probe),
))]
pub async fn healthz(_: NoQuery) -> HttpResponse {
    answer::ok(&Probe { status: "ok" })
}

/// Whether the server takes work
///
/// 503 until it has started. One that stops takes no new connections.
#[utoipa::path(get, path = "/readyz", tag = "probes", operation_id = "readyz", responses(
    (status = 200, description = "It does.", body = Probe),
    (status = 503, description = "It is starting or stopping."),
))]
pub async fn readyz(_: NoQuery, api: Data<Api>) -> HttpResponse {
    let unavailable = |detail| Problem::new(Kind::Unavailable, detail).error_response();
    match api.lifecycle().phase() {
        Phase::Starting => unavailable("the server is starting"),
        Phase::Ready => answer::ok(&Probe { status: "ok" }),
        Phase::Stopping => unavailable("the server is stopping"),
    }
}
