//! Request bodies: `application/json`, uncompressed, within a limit and in time; then strict JSON. A fault has a JSON
//! Pointer to the field.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::{Deserialize, de::DeserializeOwned};
use serde_path_to_error::{Path, Segment};

use crate::{
    domain::json::{self, JsonError},
    http::{
        Api,
        bounded::Object,
        problem::{Kind, Problem},
    },
};

/// The limit of bodies that are not events, in bytes.
const ORDINARY_LIMIT: usize = 256 << 10;

/// What an event's body may have around `data.object`, in bytes.
const ENVELOPE: usize = 16 << 10;

/// A batch's body may have so many bytes, or four of the largest events.
const BATCH_LIMIT: usize = 16 << 20;

/// From the head of a request to the end of its body.
const SLOWEST_BODY: Duration = Duration::from_mins(1);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// A body of type `T`.
pub struct Json<T>(pub T);

/// A body of type `T`, or none, which is the same as `{}`.
pub struct Optional<T>(pub T);

/// The text of one event; see [`parse`].
pub struct EventBytes(pub Bytes);

/// The text of a batch of events.
pub struct BatchBytes(pub Bytes);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, ORDINARY_LIMIT);
        Box::pin(async move { parse_owned(&body.await?).map(Self) })
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Optional<T> {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if is_absent(request.headers()) {
            return Box::pin(async { parse_owned(b"{}").map(Self) });
        }
        let body = read(request, payload, ORDINARY_LIMIT);
        Box::pin(async move { parse_owned(&body.await?).map(Self) })
    }
}

impl FromRequest for EventBytes {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, max_event_size(request).saturating_add(ENVELOPE));
        Box::pin(async move { body.await.map(Self) })
    }
}

impl FromRequest for BatchBytes {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, BATCH_LIMIT.max(max_event_size(request).saturating_mul(4)));
        Box::pin(async move { body.await.map(Self) })
    }
}

fn max_event_size(request: &HttpRequest) -> usize {
    request.app_data::<web::Data<Api>>().map_or(0, |api| api.settings().max_event_size)
}

/// Whether there is no body (RFC 9112, section 6.3).
fn is_absent(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::TRANSFER_ENCODING) && length.is_none_or(|length| length.as_bytes() == b"0")
}

/// The whole body. The head is judged at once, so that nothing is read in vain.
fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let judged = check_head(request, limit);
    let mut payload = payload.take();
    async move {
        judged?;
        let whole = async {
            let Some(first) = next_chunk(&mut payload, 0, limit).await? else { return Ok(Bytes::new()) };
            // Most bodies come in one piece, which is then not copied.
            let Some(second) = next_chunk(&mut payload, first.len(), limit).await? else { return Ok(first) };
            let mut body = BytesMut::from(first);
            body.extend_from_slice(&second);
            while let Some(chunk) = next_chunk(&mut payload, body.len(), limit).await? {
                body.extend_from_slice(&chunk);
            }
            Ok(body.freeze())
        };
        tokio::time::timeout(SLOWEST_BODY, whole).await.unwrap_or_else(|_| {
            Err(Problem::new(Kind::BodyTimeout, format!("it must come within {} seconds", SLOWEST_BODY.as_secs())))
        })
    }
}

/// The next piece of a body of which so much is `read`.
async fn next_chunk(payload: &mut Payload, read: usize, limit: usize) -> Result<Option<Bytes>, Problem> {
    let Some(chunk) = payload.next().await else { return Ok(None) };
    let chunk = chunk.map_err(|_| Problem::new(Kind::MalformedBody, "the body could not be read whole"))?;
    if read + chunk.len() > limit { Err(too_large(limit)) } else { Ok(Some(chunk)) }
}

fn check_head(request: &HttpRequest, limit: usize) -> Result<(), Problem> {
    let headers = request.headers();
    let identity = |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).any(|value| !identity(value)) {
        return Err(Problem::new(Kind::UnsupportedMediaType, "compressed bodies are not taken"));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).map(|value| value.to_str().is_ok_and(is_json));
    if types.next() != Some(true) || types.next().is_some() {
        let detail = "the body must be JSON in UTF-8, with `Content-Type: application/json`";
        return Err(Problem::new(Kind::UnsupportedMediaType, detail));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Whether a `Content-Type` is JSON's, in UTF-8. JSON defines no parameters, so none but `charset` means anything
/// (RFC 8259, section 11); around their semicolons there may be spaces and tabs (RFC 9110, section 5.6.6).
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(|part| part.trim_matches([' ', '\t']));
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("the body may have {limit} bytes at most"))
}

/// Reads a body, which may borrow from its text. The happy path parses once; a fault is looked for again, with paths.
///
/// # Errors
/// 400, with a pointer where a field is at fault.
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::new(Kind::MalformedBody, "the body is not UTF-8"))?;
    let value = match serde_json::from_str::<Object<T>>(text) {
        Ok(Object(value)) => value,
        Err(error) if (error.is_syntax() || error.is_eof()) && !json::is_out_of_range(&error) => {
            return Err(Problem::new(Kind::MalformedBody, format!("the body is not JSON: {error}")));
        }
        Err(_) => return Err(explain::<T>(text)),
    };
    match json::check(text) {
        Ok(()) => Ok(value),
        Err(JsonError::DuplicateKey { pointer }) => {
            Err(Problem::field(Kind::InvalidField, pointer, "the key is given twice in its object"))
        }
        Err(error @ JsonError::TooDeep) => Err(Problem::new(Kind::MalformedBody, format!("the body is {error}"))),
    }
}

/// The same for what keeps nothing of its text.
///
/// # Errors
/// 400, with a pointer where a field is at fault.
pub fn parse_owned<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    parse(body)
}

/// Checks how deep a payload nests: a part of a body that was read.
///
/// # Errors
/// 400, at this pointer.
pub fn check_depth(payload: &str, pointer: &'static str) -> Result<(), Problem> {
    if json::is_too_deep(payload) {
        let detail = format!("is nested more than {} levels deep", json::DEEPEST);
        return Err(Problem::field(Kind::InvalidField, pointer, detail));
    }
    Ok(())
}

fn explain<'a, T: Deserialize<'a>>(text: &'a str) -> Problem {
    let mut reader = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<T>>(&mut reader) else {
        return Problem::new(Kind::MalformedBody, "there is more than one value in the body");
    };
    let mut pointer = to_pointer(error.path());
    let message = error.inner().to_string();
    // The place in lines and columns says less than the pointer does.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let quoted = |prefix: &str| message.strip_prefix(prefix)?.split('`').next();
    let detail = if let Some(field) = quoted("missing field `") {
        pointer = format!("{pointer}/{}", escape(field));
        format!("the field `{field}` is missing")
    } else if let Some(field) = quoted("duplicate field `") {
        pointer = format!("{pointer}/{}", escape(field));
        "the key is given twice in its object".to_owned()
    } else if let Some(field) = quoted("unknown field `") {
        format!("there is no field `{field}`; {}", message.split_once(", ").map_or("", |(_, known)| known))
    } else {
        message.to_owned()
    };
    Problem::field(Kind::InvalidField, pointer, detail)
}

fn to_pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", escape(key)),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

/// A key as a part of a JSON Pointer (RFC 6901, section 3).
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::http::{
        bounded::{Items, Line, Ranged},
        text::AccountText,
    };

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner<'a> {
        #[serde(borrow)]
        object: &'a RawValue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Body<'a> {
        name: Line<5>,
        #[serde(borrow)]
        data: Option<Object<Inner<'a>>>,
        number: Option<Ranged<1, 10>>,
        accounts: Option<Items<AccountText, 1, 3>>,
    }

    #[test]
    fn faults_have_a_kind_and_a_pointer() {
        let field = Kind::InvalidField;
        let malformed = Kind::MalformedBody;
        for (text, kind, pointer) in [
            ("", malformed, None),
            ("{", malformed, None),
            ("nul", malformed, None),
            (r#"{"name":"a"} x"#, malformed, None),
            (r#"{"name":"a"}{}"#, malformed, None),
            (r#"{"name":"a",}"#, malformed, None),
            ("[]", field, Some("")),
            (r#"["a"]"#, field, Some("")),
            ("null", field, Some("")),
            ("{}", field, Some("/name")),
            (r#"{"name":1}"#, field, Some("/name")),
            (r#"{"name":null}"#, field, Some("/name")),
            (r#"{"name":""}"#, field, Some("/name")),
            (r#"{"name":"toolong"}"#, field, Some("/name")),
            (r#"{"name":"a\u0000"}"#, field, Some("/name")),
            (r#"{"name":"a","name":"a"}"#, field, Some("/name")),
            (r#"{"name":"a","colour":1}"#, field, Some("/colour")),
            (r#"{"name":"a","number":0}"#, field, Some("/number")),
            (r#"{"name":"a","number":-1}"#, field, Some("/number")),
            (r#"{"name":"a","number":1.5}"#, field, Some("/number")),
            (r#"{"name":"a","number":11.0}"#, field, Some("/number")),
            (r#"{"name":"a","number":-1.0}"#, field, Some("/number")),
            (r#"{"name":"a","number":1e400}"#, field, Some("/number")),
            (r#"{"name":1e400}"#, field, Some("/name")),
            (r#"{"name":"a","number":123456789012345678901234567890}"#, field, Some("/number")),
            (r#"{"name":"a","number":"1"}"#, field, Some("/number")),
            (r#"{"name":"a","accounts":[]}"#, field, Some("/accounts")),
            (r#"{"name":"a","accounts":["a","b","c","d"]}"#, field, Some("/accounts")),
            (r#"{"name":"a","accounts":["a","b c"]}"#, field, Some("/accounts/1")),
            (r#"{"name":"a","data":[{}]}"#, field, Some("/data")),
            (r#"{"name":"a","data":{}}"#, field, Some("/data/object")),
            (r#"{"name":"a","data":{"object":{},"x~/":1}}"#, field, Some("/data/x~0~1")),
            (r#"{"name":"a","data":{"object":{"k":[{"a":1,"a":2}]}}}"#, field, Some("/data/object/k/0/a")),
        ] {
            let problem = parse::<Body<'_>>(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} was taken"));
            assert_eq!((problem.kind(), problem.pointer()), (kind, pointer), "{text}: {}", problem.detail());
        }
        let deep = format!(r#"{{"name":"a","data":{{"object":{}{}}}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(parse::<Body<'_>>(deep.as_bytes()).err().map(|p| p.kind()), Some(malformed));
        assert_eq!(parse::<Body<'_>>(b"{\"name\":\"\xff\"}").err().map(|p| p.kind()), Some(malformed));
    }

    #[test]
    fn an_object_is_borrowed_as_it_stands() {
        let text = r#"{"name":"a","data":{"object": { "n": 1.10, "u":"\u00e9\ud800" } }}"#;
        let body: Body<'_> = parse(text.as_bytes()).unwrap();
        assert_eq!(body.data.unwrap().0.object.get(), r#"{ "n": 1.10, "u":"\u00e9\ud800" }"#);
        let body: Body<'_> = parse(br#"{"name":"a","data":null,"number":10.0}"#).unwrap();
        assert!(body.data.is_none());
    }
}
