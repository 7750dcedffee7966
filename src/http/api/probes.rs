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
/// A server that answers 503 here is to be restarted.
#[utoipa::path(get, path = "/healthz", tag = "probes", operation_id = "healthz", responses(
    (status = 200, description = "It works.", body = Probe),
    (status = 503, description = "It does not."),
))]
pub async fn healthz(_: NoQuery, api: Data<Api>) -> HttpResponse {
    if api.lifecycle().is_healthy() {
        answer::ok(&Probe { status: "ok" })
    } else {
        Problem::new(Kind::Unavailable, "the server does not work as it should").error_response()
    }
}

/// Whether the server takes work
///
/// 503 until it has started, and while it stops.
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
