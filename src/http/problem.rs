//! The one place where refusals become documents of RFC 9457 (`application/problem+json`). Every typed error of the
//! floors beneath is turned into a [`Problem`] here, so that the same fault has the same answer on every route.

use std::{
    borrow::Cow,
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
use crate::{
    actors::endpoint_registry::RegistryError,
    store::{AcceptError, StoreError},
};

/// Details are cut to so many characters: they can quote what the client sent.
const LONGEST_DETAIL: usize = 400;

/// What kind of refusal it is; each has one status, one type and one title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400: not JSON, not UTF-8, nested too deep.
    MalformedBody,
    /// 400: a field of the body, unknown, repeated, of another type or out of range.
    InvalidField,
    /// 400: a query parameter or header, likewise.
    InvalidParameter,
    /// 401: no token, or none that is known.
    Unauthenticated,
    /// 403: the token may not do this.
    Forbidden,
    /// 404: no such route, or no such thing for this token.
    NotFound,
    /// 405: the route has other methods.
    MethodNotAllowed,
    /// 408: the body did not come in time.
    BodyTimeout,
    /// 409: it contradicts what is there.
    Conflict,
    /// 413: more than the limit.
    TooLarge,
    /// 415: not `application/json`, or compressed.
    UnsupportedMediaType,
    /// 422: well-formed, but refused for what it means.
    Unprocessable,
    /// 503: try again.
    Unavailable,
}

impl Kind {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (StatusCode::BAD_REQUEST, "malformed-body", "The body is not usable JSON"),
            Self::InvalidField => (StatusCode::BAD_REQUEST, "invalid-field", "A field of the body is not valid"),
            Self::InvalidParameter => (StatusCode::BAD_REQUEST, "invalid-parameter", "A parameter is not valid"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token may not do this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout", "The body did not come in time"),
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "It contradicts what is there"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "More than the limit"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Only uncompressed application/json")
            }
            Self::Unprocessable => (StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", "Refused for what it means"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now; try again"),
        }
    }
}

/// A refusal, on its way to the client. `Debug` and `Display` leave the detail out: it can quote a payload.
pub struct Problem(Box<Inner>);

struct Inner {
    kind: Kind,
    detail: Cow<'static, str>,
    pointer: Option<String>,
    parameter: Option<Cow<'static, str>>,
    header: Option<(header::HeaderName, header::HeaderValue)>,
}

/// The document of RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// Names the kind of fault: `urn:mythichooks:problem:` and a word.
    #[schema(example = "urn:mythichooks:problem:invalid-field", format = "uri")]
    r#type: String,
    /// The same for every fault of this kind.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, for people.
    detail: &'a str,
    /// A JSON Pointer (RFC 6901) to the field of the body that is at fault; empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<&'a str>,
    /// The query parameter or header that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter: Option<&'a str>,
}

impl Problem {
    /// A refusal of this kind.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut detail = detail.into();
        if let Some((cut, _)) = detail.char_indices().nth(LONGEST_DETAIL) {
            let mut text = detail.into_owned();
            text.truncate(cut);
            text.push('…');
            detail = Cow::Owned(text);
        }
        Self(Box::new(Inner { kind, detail, pointer: None, parameter: None, header: None }))
    }

    /// 400 or 422: a field of the body, named by its pointer.
    pub fn field(kind: Kind, pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(kind, detail).at(pointer)
    }

    /// 422 for a field of the body.
    pub fn refused(pointer: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::field(Kind::Unprocessable, pointer, detail)
    }

    /// 400 for a query parameter or header.
    pub fn parameter(name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of_parameter(Kind::InvalidParameter, name, detail)
    }

    /// A query parameter or header, named.
    pub fn of_parameter(kind: Kind, name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        let mut problem = Self::new(kind, format!("`{name}`: {}", detail.into()));
        problem.0.parameter = Some(name.chars().take(LONGEST_DETAIL).collect::<String>().into());
        problem
    }

    /// 404 for a thing that is not there, or not there for this token.
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NotFound, format!("there is no such {what}"))
    }

    /// With a pointer to the field at fault.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = Some(pointer.into());
        self
    }

    /// The same fault one level further in: `/events/3` before its pointer.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        if let Some(pointer) = &mut self.0.pointer {
            pointer.insert_str(0, prefix);
        }
        self
    }

    /// With a header beside the document.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: header::HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What is wrong, for the client alone.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The name of the parameter at fault.
    pub fn parameter_name(&self) -> Option<&str> {
        self.0.parameter.as_deref()
    }

    /// The pointer to the field at fault.
    pub fn pointer(&self) -> Option<&str> {
        self.0.pointer.as_deref()
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({:?})", self.0.kind)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.parts().2)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, slug, title) = self.0.kind.parts();
        let document = ProblemDocument {
            r#type: format!("urn:mythichooks:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: &self.0.detail,
            pointer: self.0.pointer.as_deref(),
            parameter: self.0.parameter.as_deref(),
        };
        let mut response = answer::builder(status);
        response.content_type("application/problem+json");
        if let Some((name, value)) = &self.0.header {
            response.insert_header((name.clone(), value.clone()));
        }
        match self.0.kind {
            Kind::Unavailable => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            // What is left of the body is not read.
            Kind::BodyTimeout | Kind::TooLarge => {
                response.force_close();
            }
            _ => {}
        }
        response.body(answer::to_json(&document))
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        log_once_a_second(&error);
        let detail = match error {
            StoreError::Overloaded => "more work waits than the server takes on",
            StoreError::Full => "there is no room for more on the server's disk",
            StoreError::OverQuota => "the server's store is as large as it may be",
            StoreError::Failed(_) | StoreError::Damaged(_) | StoreError::Gone => "the server's store does not answer",
            StoreError::Closed => "the server is stopping",
        };
        Self::new(Kind::Unavailable, detail)
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Store(error) => error.into(),
            RegistryError::Restarting => Self::new(Kind::Unavailable, "a part of the server is being restarted"),
        }
    }
}

/// For the conflict of one event; a batch points to the event.
impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        match error {
            AcceptError::Store(error) => error.into(),
            AcceptError::Conflict { what: "id", .. } => {
                Self::new(Kind::Conflict, "an event with this id, but other content, was accepted before").at("/id")
            }
            AcceptError::Conflict { what, .. } => {
                Self::of_parameter(Kind::Conflict, what, "was used with other content before")
            }
            AcceptError::NotRepeated { .. } => {
                Self::new(Kind::Unprocessable, "the catalog does not take this event, and it was not accepted before")
            }
        }
    }
}

/// A store that fails does so thousands of times a second; one line a second says it as well.
fn log_once_a_second(error: &StoreError) {
    static LAST: AtomicI64 = AtomicI64::new(i64::MIN);
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    let last = LAST.load(Ordering::Relaxed);
    if now > last && LAST.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        tracing::warn!(%error, "requests are answered with 503");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn a_problem_is_a_document_with_its_headers() {
        let problem = Problem::refused("/url", "x".repeat(5_000)).below("/events/3");
        assert!(!format!("{problem:?} {problem}").contains("xxx"), "the detail can quote a payload");
        let response = problem.error_response();
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
        let body: serde_json::Value =
            serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap_or_default()).unwrap();
        assert_eq!(body["status"], 422);
        assert_eq!(body["pointer"], "/events/3/url");
        assert!(body["detail"].as_str().unwrap().len() < 500);
        assert_eq!(body.get("parameter"), None);

        let response = Problem::from(StoreError::Failed("disk on fire at /secret/path".into())).error_response();
        assert_eq!(
            (response.status().as_u16(), response.headers().get("retry-after").unwrap().as_bytes()),
            (503, &b"1"[..])
        );
        let body = to_bytes(response.into_body()).await.unwrap_or_default();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
