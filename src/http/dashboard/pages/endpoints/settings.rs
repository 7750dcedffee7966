//! An endpoint's settings as the fields of a form, and back to what the API takes. What is empty is the server's default.
//! A form that changes an endpoint carries what it showed, so that only what was changed in it is sent.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::super::form::{Body, Form, number};
use crate::{
    domain::endpoint::Endpoint,
    http::problem::{Kind, Problem},
};

/// Labels of the fields, for the summary of errors.
pub const LABELS: [(&str, &str); 11] = [
    ("account", "Account"),
    ("url", "Address"),
    ("description", "Description"),
    ("event_types", "Events"),
    ("timeout", "Time-out"),
    ("retry_schedule", "Retries"),
    ("max_in_flight", "Attempts at a time"),
    ("rate_limit", "Attempts a second"),
    ("headers", "Headers"),
    ("metadata", "Metadata"),
    ("secret", "Signing secret"),
];

/// What the form holds.
#[derive(Default)]
pub struct Settings {
    pub account: String,
    pub url: String,
    pub description: String,
    /// Every type, new ones too.
    pub all: bool,
    /// The subscriptions that are ticked.
    pub ticked: BTreeSet<String>,
    pub timeout: String,
    pub retry_schedule: String,
    pub max_in_flight: String,
    pub rate_limit: String,
    pub ordered: bool,
    /// `Name: value`, a line each; or a JSON object, where lines cannot say it.
    pub headers: String,
    /// The same.
    pub metadata: String,
    pub secret: String,
}

impl From<&Endpoint> for Settings {
    fn from(endpoint: &Endpoint) -> Self {
        let text = |value: Option<String>| value.unwrap_or_default();
        let waits = endpoint.retry_schedule.as_ref().map(|schedule| {
            let waits: Vec<_> = schedule.waits().iter().map(ToString::to_string).collect();
            if waits.is_empty() { "none".to_owned() } else { waits.join(", ") }
        });
        let mut ticked: BTreeSet<_> = endpoint.event_types.iter().map(ToString::to_string).collect();
        let all = ticked.contains("*");
        if all {
            // The others say nothing more.
            ticked.clear();
        }
        Self {
            account: endpoint.account.to_string(),
            url: endpoint.url.clone(),
            description: endpoint.description.clone(),
            all,
            ticked,
            timeout: text(endpoint.timeout.map(|timeout| timeout.to_string())),
            retry_schedule: text(waits),
            max_in_flight: text(endpoint.max_in_flight.map(|number| number.to_string())),
            rate_limit: text(endpoint.rate_limit.map(|number| number.to_string())),
            ordered: endpoint.ordered,
            headers: entries_text(endpoint.headers.iter().map(|header| (header.name(), header.value()))),
            metadata: entries_text(endpoint.metadata.iter().map(|(name, value)| (&**name, &**value))),
            secret: String::new(),
        }
    }
}

impl From<&Form> for Settings {
    fn from(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            account: text("account"),
            url: text("url"),
            description: text("description"),
            all: form.text("events") == "all",
            ticked: form.all("event_types").map(ToOwned::to_owned).collect(),
            timeout: text("timeout"),
            retry_schedule: text("retry_schedule"),
            max_in_flight: text("max_in_flight"),
            rate_limit: text("rate_limit"),
            ordered: form.has("ordered"),
            headers: text("headers"),
            metadata: text("metadata"),
            secret: text("secret"),
        }
    }
}

impl Settings {
    /// As the body of a new endpoint.
    ///
    /// # Errors
    /// A line of headers or metadata is none.
    pub fn to_new(&self) -> Result<Body, Problem> {
        let body = Body::default().text("account", &self.account).text("secret", &self.secret);
        let body = self
            .fields()?
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .fold(body, |body, (name, value)| body.with(name, value));
        Ok(body)
    }

    /// As the body of a change of what the form showed (see [`Self::carried`]): what is empty goes back to the default.
    ///
    /// # Errors
    /// A line of headers or metadata is none.
    pub fn to_change(&self, carried: &str) -> Result<Body, Problem> {
        // A form that carries nothing changes everything.
        let shown: Map<String, Value> = serde_json::from_str(carried).unwrap_or_default();
        let changed = self.fields()?.into_iter().filter(|(name, value)| shown.get(*name) != Some(value));
        Ok(changed.fold(Body::default(), |body, (name, value)| body.with(name, value)))
    }

    /// What a form with these settings carries, to tell later what was changed in it.
    pub fn carried(&self) -> String {
        let fields = self.fields().unwrap_or_default();
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).to_string()
    }

    fn fields(&self) -> Result<Vec<(&'static str, Value)>, Problem> {
        let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
        let count = |text: &str| if text.is_empty() { Value::Null } else { number(text) };
        if self.all && !self.ticked.is_empty() {
            let both = "either every type, or only those ticked: not both";
            return Err(Problem::field(Kind::InvalidField, "/event_types", both));
        }
        let event_types: Vec<&str> = if self.all { vec!["*"] } else { self.ticked.iter().map(|s| &**s).collect() };
        let waits = match &*self.retry_schedule {
            "" => Value::Null,
            "none" => Value::Array(Vec::new()),
            waits => waits.split([',', ' ']).filter(|wait| !wait.is_empty()).collect(),
        };
        Ok(vec![
            ("url", self.url.as_str().into()),
            ("description", text(&self.description)),
            ("event_types", event_types.into()),
            ("timeout", text(&self.timeout)),
            ("retry_schedule", waits),
            ("max_in_flight", count(&self.max_in_flight)),
            ("rate_limit", count(&self.rate_limit)),
            ("ordered", self.ordered.into()),
            ("headers", entries("/headers", &self.headers)?),
            ("metadata", entries("/metadata", &self.metadata)?),
        ])
    }
}

/// Lines like `Name: value`, or JSON if these would be read as something else.
fn entries_text<'a>(given: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let lines = given.clone().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n");
    let object = Value::Object(given.map(|(name, value)| (name.to_owned(), value.into())).collect());
    if entries("", lines.trim()).is_ok_and(|read| read == object) { lines } else { object.to_string() }
}

/// An object of lines like `Name: value`, or of JSON.
fn entries(pointer: &'static str, text: &str) -> Result<Value, Problem> {
    let refused = |detail: String| Problem::field(Kind::InvalidField, pointer, detail);
    if text.starts_with('{') {
        return serde_json::from_str(text)
            .map(Value::Object)
            .map_err(|error| refused(format!("it is not a JSON object: {error}")));
    }
    let mut entries = Map::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| refused(format!("`{line}` is not `Name: value`")))?;
        let name = name.trim();
        if entries.insert(name.to_owned(), value.trim().into()).is_some() {
            return Err(refused(format!("`{name}` is given twice")));
        }
    }
    Ok(Value::Object(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_entries() {
        assert_eq!(entries("/headers", "X-A: b:c \n\nx-d:").unwrap(), serde_json::json!({"X-A": "b:c", "x-d": ""}));
        assert_eq!(entries("/headers", "nonsense").unwrap_err().pointer(), Some("/headers"));
        assert!(entries("/metadata", "a: 1\na: 2").unwrap_err().detail().contains("twice"));
        assert!(entries("/metadata", "{\"a:b\": \"1\",}").unwrap_err().detail().contains("not a JSON object"));
    }

    #[test]
    fn entries_come_back_as_they_were() {
        for (given, as_lines) in [
            (&[("crm", "42"), ("X-A", "b:c"), ("{", "}")][..], true),
            (&[("crm:id", "42")], false),
            (&[("multi", "one\ntwo: three")], false),
            (&[("padded", " a "), ("", "")], false),
            (&[("a", "1"), ("a ", "2")], false),
            (&[], true),
        ] {
            let text = entries_text(given.iter().copied());
            let object: Map<_, _> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
            assert_eq!(entries("", text.trim()).unwrap(), Value::Object(object), "{text}");
            assert_eq!(!text.starts_with("{\""), as_lines, "{text}");
        }
    }

    #[test]
    fn only_what_was_changed_is_sent() {
        let shown =
            Settings { url: "https://a.example".to_owned(), metadata: "a: 1".to_owned(), ..Settings::default() };
        let carried = shown.carried();
        let same = Settings { url: shown.url.clone(), metadata: "a:  1 ".to_owned(), ..Settings::default() };
        assert_eq!(same.to_change(&carried).unwrap().into_text(), "{}");
        let other = Settings { metadata: String::new(), rate_limit: "7".to_owned(), ..same };
        assert_eq!(other.to_change(&carried).unwrap().into_text(), r#"{"rate_limit":7,"metadata":{}}"#);
        assert!(other.to_change("").unwrap().into_text().contains("url"));
    }

    #[test]
    fn what_is_empty_is_left_out_or_goes_back() {
        let settings = Settings { url: "https://a.example".to_owned(), all: true, ..Settings::default() };
        let fields = settings.fields().unwrap();
        assert!(fields.contains(&("timeout", Value::Null)));
        assert!(fields.contains(&("event_types", serde_json::json!(["*"]))));
        let waits = Settings { retry_schedule: "5m, 30m 2h".to_owned(), ..Settings::default() };
        assert!(waits.fields().unwrap().contains(&("retry_schedule", serde_json::json!(["5m", "30m", "2h"]))));
        let none = Settings { retry_schedule: "none".to_owned(), ..Settings::default() };
        assert!(none.fields().unwrap().contains(&("retry_schedule", serde_json::json!([]))));
    }
}
