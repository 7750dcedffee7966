//! What a page's form sends: `application/x-www-form-urlencoded`, bounded, each field as text. A field can come more
//! than once (boxes that are ticked). What the texts mean is checked by the API's own types.

use std::time::Duration;

use actix_web::web::Payload;
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

use crate::{
    domain::json_text,
    http::{
        extract,
        problem::{Kind, Problem},
    },
};

/// Bytes of a form at most, beside an event's object.
const ORDINARY_LIMIT: usize = 256 << 10;
/// A byte of text can take three of a form.
const ENCODED: usize = 3;
/// Fields of a form at most.
const MOST_FIELDS: usize = 2_000;
/// For the whole form.
const SLOWEST: Duration = Duration::from_mins(1);

/// The name of the field that guards against forgery.
pub const TOKEN_FIELD: &str = "form_token";

/// The fields of a form.
#[derive(Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form, in which there may be the object of an event of this size.
    ///
    /// # Errors
    /// Too large, too slow, or no form.
    pub async fn read(mut payload: Payload, max_event_size: usize) -> Result<Self, Problem> {
        let limit = max_event_size.saturating_mul(ENCODED).saturating_add(ORDINARY_LIMIT);
        let whole = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| Problem::new(Kind::MalformedBody, "the form could not be read whole"))?;
                if body.len() + chunk.len() > limit {
                    return Err(Problem::new(Kind::TooLarge, format!("a form may have {limit} bytes at most")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        let late = || Problem::new(Kind::BodyTimeout, "the form did not come in time");
        let body = tokio::time::timeout(SLOWEST, whole).await.map_err(|_| late())??;
        Self::parse(&body)
    }

    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(body).into_owned().take(MOST_FIELDS + 1).collect();
        if fields.len() > MOST_FIELDS {
            return Err(Problem::new(Kind::TooLarge, format!("a form may have {MOST_FIELDS} fields at most")));
        }
        // Browsers send line ends as CR LF; the text that was typed has them as LF.
        Ok(Self(fields.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect()))
    }

    /// The field's text without white space around it; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Every text of the field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Whether the box or button of this name was used.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

/// A request body of the API that is made of a form's fields, so that the same types check both.
#[derive(Default)]
pub struct Body(Vec<(String, String)>);

impl Body {
    /// A field, whatever it holds.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into().to_string()));
        self
    }

    /// A field that was typed as JSON, left out if it is empty. Its tokens stay as they are.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn json(mut self, name: &str, text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Ok(self);
        }
        if let Err(error) = serde_json::from_str::<&RawValue>(text) {
            return Err(Problem::field(Kind::InvalidField, format!("/{name}"), format!("it is not JSON: {error}")));
        }
        self.0.push((name.to_owned(), json_text::compact(text)));
        Ok(self)
    }

    /// A field that is an object of these.
    #[must_use]
    pub fn object(mut self, name: &str, fields: Self) -> Self {
        self.0.push((name.to_owned(), fields.into_text()));
        self
    }

    /// A text, left out if it is empty.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.with(name, text) }
    }

    /// Reads it as the API reads a request's body.
    ///
    /// # Errors
    /// As the API's, with a pointer to the field.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, Problem> {
        extract::parse_owned(self.into_text().as_bytes())
    }

    /// The body's text.
    pub fn into_text(self) -> String {
        let fields: Vec<_> = self.0.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
        format!("{{{}}}", fields.join(","))
    }
}

/// A number as JSON; a text that is none stays one, for the API's type to refuse.
pub fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_texts_and_can_come_twice() {
        let form = Form::parse(b"a=+1%20&b=x&b=y&c=l1%0d%0Al2&d").unwrap();
        assert_eq!((form.text("a"), form.text("none"), form.text("c")), ("1", "", "l1\nl2"));
        assert_eq!(form.all("b").collect::<Vec<_>>(), ["x", "y"]);
        assert!(form.has("d") && !form.has("e"));
        let many = "a=1&".repeat(MOST_FIELDS + 1);
        assert_eq!(Form::parse(many.as_bytes()).err().map(|problem| problem.kind()), Some(Kind::TooLarge));
    }

    #[test]
    fn json_that_is_typed_keeps_its_tokens() {
        let body = Body::default().text("id", "a\"b").text("none", "").with("n", 7);
        let body = body.object("data", Body::default().json("object", "{ \"x\": 1.10 }").unwrap());
        assert_eq!(body.into_text(), r#"{"id":"a\"b","n":7,"data":{"object":{"x":1.10}}}"#);
        let broken = Body::default().json("object", "{}},{").err().unwrap();
        assert_eq!(broken.pointer(), Some("/object"));
    }

    #[test]
    fn numbers_are_told_from_texts() {
        assert_eq!((number("7"), number("-7"), number("x")), (7.into(), "-7".into(), "x".into()));
    }
}
