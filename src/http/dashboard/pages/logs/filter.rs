//! The filter of the log: what of an address is the API's filter and what is the page's own, the bar of controls, and the
//! filters that hold, each with a way to take it off.

use std::time::Duration;

use jiff::civil::DateTime;
use maud::{Markup, html};

use super::super::{
    super::{
        components::{Field, FormErrors, field_error, icon},
        page::Page,
    },
    endpoints::name,
    filters,
};
use crate::{
    domain::{
        endpoint::Endpoint,
        ids::{DeliveryId, EndpointId},
        time::Timestamp,
    },
    http::{extract, problem::Problem},
};

/// The API's parameters and what they are called here.
pub const FILTERS: [(&str, &str); 8] = [
    ("status", "State"),
    ("type", "Type"),
    ("endpoint_id", "Endpoint"),
    ("response_code", "Response"),
    ("since", "From"),
    ("until", "To"),
    ("event_id", "Event"),
    ("account", "Account"),
];
const STATES: [(&str, &str); 5] = [
    ("", "Any state"),
    ("pending", "Waiting or retrying"),
    ("delivered", "Delivered"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
];
const TIMES: [(&str, &str, u64); 4] =
    [("1h", "Last hour", 1), ("24h", "Last 24 hours", 24), ("7d", "Last 7 days", 168), ("30d", "Last 30 days", 720)];
/// More choices than these are typed, not chosen from a list.
const MOST_CHOICES: usize = 60;

/// The parameters of the log's address.
pub struct Asked {
    /// Those of the API's list, without empty ones.
    pairs: Vec<(String, String)>,
    /// How far back, as a form says it.
    last: String,
    /// An id to look for.
    id: String,
    /// What a form did.
    pub done: String,
    /// To how many.
    pub count: String,
}

impl Asked {
    /// Of an address.
    pub fn of(query: &str) -> Self {
        let mut asked = Self {
            pairs: Vec::new(),
            last: String::new(),
            id: String::new(),
            done: String::new(),
            count: String::new(),
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "last" => asked.last = value.into_owned(),
                "id" => value.trim().clone_into(&mut asked.id),
                "done" => asked.done = value.into_owned(),
                "count" => asked.count = value.into_owned(),
                _ if value.is_empty() => {}
                _ => asked.pairs.push((name.into_owned(), value.trim().to_owned())),
            }
        }
        asked
    }

    /// Where the same is found under an address that does not depend on when it is asked; `None`: this is it.
    ///
    /// # Errors
    /// There is no such span of time.
    pub fn settled(&self, now: Timestamp) -> Result<Option<String>, Problem> {
        if self.id.parse::<DeliveryId>().is_ok() {
            return Ok(Some(format!("/logs/{}", self.id)));
        }
        if !self.id.is_empty() {
            let name = if self.id.parse::<EndpointId>().is_ok() { "endpoint_id" } else { "event_id" };
            return Ok(Some(address(&[(name.to_owned(), self.id.clone())])));
        }
        let mut pairs = self.pairs.clone();
        for (name, value) in &mut pairs {
            if matches!(&**name, "since" | "until")
                && let Ok(at) = value.parse::<DateTime>()
                && value.parse::<Timestamp>().is_err()
            {
                // Browsers' controls for times name no zone; the pages' times are UTC.
                *value = format!("{}Z", at.strftime("%Y-%m-%dT%H:%M:%S"));
            }
        }
        if !self.last.is_empty() {
            let hours = TIMES.iter().find(|(name, ..)| *name == self.last).map(|(.., hours)| *hours);
            let hours = hours.ok_or_else(|| Problem::parameter("last", "must be `1h`, `24h`, `7d` or `30d`"))?;
            pairs.retain(|(name, _)| name != "since" && name != "until");
            pairs.push(("since".to_owned(), now.minus(Duration::from_hours(hours)).to_string()));
        }
        Ok((pairs != self.pairs).then(|| address(&pairs)))
    }

    /// The query that the API's types read.
    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.pairs);
        query.finish()
    }

    /// The filters that hold, without what says which page of the list is meant.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_filter = |name: &str| FILTERS.iter().any(|(known, _)| *known == name);
        self.pairs.iter().map(|(name, value)| (&**name, &**value)).filter(move |(name, _)| is_filter(name))
    }

    /// The address of another page of this list; `None`: of the first.
    pub fn page(&self, cursor: Option<&str>) -> String {
        let mut pairs = self.without("cursor");
        pairs.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
        address(&pairs)
    }

    /// Whether it is not the first page.
    pub fn is_further(&self) -> bool {
        self.pairs.iter().any(|(name, _)| name == "cursor")
    }

    fn without(&self, left_out: &str) -> Vec<(String, String)> {
        self.pairs.iter().filter(|(name, _)| name != left_out && name != "cursor").cloned().collect()
    }

    fn value(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

fn address(pairs: &[(String, String)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() { "/logs".to_owned() } else { format!("/logs?{query}") }
}

/// What a filter is called and what it says.
pub fn in_words(page: &Page, parameter: &str, value: &str) -> (&'static str, String) {
    let word = FILTERS.iter().find(|(name, _)| *name == parameter).map_or("", |(_, word)| *word);
    let said = match parameter {
        "status" => STATES.iter().find(|(state, _)| *state == value).map(|(_, word)| word.to_lowercase()),
        "endpoint_id" => {
            let found = value.parse().ok().and_then(|id: EndpointId| endpoint(page, id));
            found.map(|endpoint| name(&endpoint).to_owned())
        }
        "since" | "until" => value.parse::<Timestamp>().ok().map(in_seconds),
        _ => None,
    };
    (word, said.unwrap_or_else(|| value.to_owned()))
}

fn in_seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |text| text.replace('T', " "))
}

/// An endpoint, if the visitor sees it.
fn endpoint(page: &Page, id: EndpointId) -> Option<std::sync::Arc<Endpoint>> {
    let found = page.api().registry().snapshot().endpoint(id).cloned();
    found.filter(|endpoint| page.token().account.as_ref().is_none_or(|account| *account == endpoint.account))
}

/// The controls, and below them the filters that hold.
pub fn bar(page: &Page, asked: &Asked, errors: &FormErrors) -> Markup {
    let exact = ["since", "until", "event_id", "account"].iter().any(|name| !asked.value(name).is_empty());
    let local = |name: &str| {
        let at = asked.value(name).parse::<Timestamp>().ok();
        at.and_then(|at| at.to_string().get(..19).map(str::to_owned)).unwrap_or_default()
    };
    let (since, until) = (local("since"), local("until"));
    html! {
        form.filterbar.sec method="get" action="/logs" role="search" aria-label="Deliveries" novalidate {
            (Field::new("id", "Find by id", "").mono().kind("search", "off").input(errors))
            (Field::new("status", "State", asked.value("status")).select(errors, &STATES))
            (filters::type_field(page, errors, asked.value("type"), Some("Any type")))
            (endpoints(page, asked, errors))
            div.fld.short {
                label for="response_code" { "Response" }
                input.in #response_code name="response_code" value=(asked.value("response_code")) inputmode="numeric"
                    placeholder="503" autocomplete="off" maxlength="3";
                (field_error("response_code", errors))
            }
            div.fld {
                label for="last" { "Time" }
                select.in #last name="last" {
                    option value="" { @if since.is_empty() && until.is_empty() { "Any time" } @else { "As below" } }
                    @for (value, word, _) in TIMES { option value=(value) { (word) } }
                }
                (field_error("last", errors))
            }
            button.btn type="submit" { "Show" }
            details.more.whole open[exact] {
                summary { "Exact times" @if !page.is_customer() { ", account" } " and event" }
                div.filterbar.gap {
                    (Field::new("since", "From, UTC", &since).kind("datetime-local", "off").input(errors))
                    (Field::new("until", "To, UTC", &until).kind("datetime-local", "off").input(errors))
                    @if !page.is_customer() {
                        (Field::new("account", "Account", asked.value("account")).input(errors))
                    }
                    (Field::new("event_id", "Event", asked.value("event_id")).mono().input(errors))
                }
            }
        }
    }
}

/// The filters that hold, as chips.
pub fn chips(page: &Page, asked: &Asked) -> Markup {
    html! {
        @for (parameter, value) in asked.filters() {
            @let (word, said) = in_words(page, parameter, value);
            span.chip.on {
                (word) " " b { (said) }
                a href=(address(&asked.without(parameter))) aria-label={ "Take off the filter " (word) " " (said) } { (icon("no")) }
            }
        }
    }
}

fn endpoints(page: &Page, asked: &Asked, errors: &FormErrors) -> Markup {
    let snapshot = page.api().registry().snapshot();
    let chosen = asked.value("endpoint_id");
    let sees = |endpoint: &&std::sync::Arc<Endpoint>| {
        page.token().account.as_ref().is_none_or(|account| *account == endpoint.account)
    };
    let choices: Vec<_> = snapshot.endpoints().values().filter(sees).take(MOST_CHOICES + 1).collect();
    let known = |id: &str| choices.iter().any(|endpoint| endpoint.id.to_string() == id);
    if choices.len() > MOST_CHOICES || (!chosen.is_empty() && !known(chosen)) {
        return Field::new("endpoint_id", "Endpoint", chosen).mono().input(errors);
    }
    let named: Vec<(String, String)> =
        choices.iter().map(|endpoint| (endpoint.id.to_string(), name(endpoint).chars().take(60).collect())).collect();
    let options: Vec<(&str, &str)> =
        std::iter::once(("", "Any endpoint")).chain(named.iter().map(|(id, name)| (&**id, &**name))).collect();
    Field::new("endpoint_id", "Endpoint", chosen).select(errors, &options)
}

/// The list query of the API for this page of the log.
pub fn list_query<F: serde::de::DeserializeOwned>(asked: &Asked) -> Result<extract::ListQuery<F>, Problem> {
    extract::page_list_query("/logs", &asked.query())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(query: &str) -> Option<String> {
        Asked::of(query).settled("2026-11-24T13:41:07Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn what_a_form_sends_becomes_an_address_that_stays() {
        assert_eq!(settled("status=failed&type=&last=&id="), None);
        let day = settled("status=failed&last=24h&since=2020-01-01T00%3A00%3A00Z&cursor=x");
        assert_eq!(day.as_deref(), Some("/logs?status=failed&cursor=x&since=2026-11-23T13%3A41%3A07.000Z"));
        let local = settled("since=2026-11-24T13%3A41&until=");
        assert_eq!(local.as_deref(), Some("/logs?since=2026-11-24T13%3A41%3A00Z"));
        assert_eq!(settled("since=2026-11-24T13%3A41%3A00Z"), None);
        assert_eq!(settled("since=2026-11-24T13%3A41%3A00%2B02%3A00"), None, "it names its zone");
        assert_eq!(settled("since=nonsense"), None, "the API says what is wrong with it");
        assert!(Asked::of("last=9y").settled(Timestamp::EPOCH).is_err());
    }

    #[test]
    fn an_id_leads_to_what_it_names() {
        let id = "01JJ3ZK8V0M5Y2Q7T9A4C6E8GB";
        assert_eq!(settled(&format!("id=dlv_{id}&status=failed")), Some(format!("/logs/dlv_{id}")));
        assert_eq!(settled(&format!("id=+ep_{id}")), Some(format!("/logs?endpoint_id=ep_{id}")));
        assert_eq!(settled("id=my+own"), Some("/logs?event_id=my+own".to_owned()));
    }
}
