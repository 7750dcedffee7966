//! Sending an event by hand: the catalog's example to change, checked as the API checks it. It can be asked first who
//! would get it.

use actix_web::HttpResponse;
use bytes::Bytes;
use maud::{Markup, html};

use super::{
    super::{
        super::{
            components::{Field, FormErrors, excerpt, laid_out},
            form::{Body, Form, number},
            layout::{self, Tab, View},
            page::{Page, Shown},
            response,
        },
        filters,
    },
    who,
};
use crate::{
    domain::{event_type::EventTypeName, ids::EventId, json_text},
    http::{
        api::{event_dry_run, events, posted_event},
        auth::{CanAsk, CanPost, CanRead},
        extract,
        problem::{Kind, Problem},
    },
};

const LABELS: [(&str, &str); 5] =
    [("type", "Event type"), ("account", "Account"), ("object", "Object"), ("id", "Id"), ("created", "Happened at")];

/// What the form holds.
#[derive(Default)]
struct Draft {
    event_type: String,
    account: String,
    object: String,
    id: String,
    created: String,
}

impl Draft {
    fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            event_type: text("type"),
            account: text("account"),
            object: text("object"),
            id: text("id"),
            created: text("created"),
        }
    }

    /// The catalog's example of this type, or of its first one.
    fn example(page: &Page, event_type: &str) -> Self {
        let catalog = page.api().catalog().all();
        let named = event_type.parse::<EventTypeName>().ok().and_then(|name| catalog.get(&name).cloned());
        match named.or_else(|| catalog.values().next().filter(|_| event_type.is_empty()).cloned()) {
            Some(entry) => Self {
                event_type: entry.event_type.name.to_string(),
                object: json_text::pretty(&entry.event_type.example),
                ..Self::default()
            },
            None => Self { event_type: event_type.to_owned(), ..Self::default() },
        }
    }

    /// One that was sent before; its id is its own.
    async fn like(page: &Page, id: EventId) -> Result<Self, Problem> {
        let shown = events::show(page.api(), &page.caller::<CanRead>()?, id).await?;
        let object = shown.body.object();
        let object = laid_out(&String::from_utf8_lossy(&object));
        if !excerpt(&object).1 {
            return Err(Problem::new(Kind::TooLarge, "the event is too large to be changed on a page"));
        }
        let account = if page.is_customer() { String::new() } else { shown.event.account.to_string() };
        Ok(Self { event_type: shown.event.event_type.to_string(), account, object, ..Self::default() })
    }

    /// The body of a posted event.
    fn body(&self) -> Result<Bytes, Problem> {
        let body = Body::default().text("type", &self.event_type).text("account", &self.account).text("id", &self.id);
        let body = if self.created.is_empty() { body } else { body.with("created", number(&self.created)) };
        let object = Body::default().json("object", &self.object).map_err(|problem| problem.below("/data"))?;
        Ok(body.object("data", object).into_text().into())
    }
}

/// What is behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    r#type: Option<String>,
    like: Option<String>,
}

pub async fn ask(page: Page) -> Shown {
    page.caller::<CanPost>()?;
    let asked: Asked = page.query()?;
    let draft = match asked.like.map(|id| id.parse()) {
        Some(Ok(id)) => Draft::like(&page, id).await?,
        Some(Err(_)) => return Err(Problem::not_found("event")),
        None => Draft::example(&page, &asked.r#type.unwrap_or_default()),
    };
    Ok(form_page(&page, &draft, &FormErrors::default(), &html! {}))
}

pub async fn send(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanPost>()?;
    let mut draft = Draft::of(&form);
    if page.is_customer() {
        draft.id.clear();
    }
    match form.text("do") {
        "example" => {
            let example = Draft::example(&page, &draft.event_type);
            let draft = Draft { object: example.object, ..draft };
            Ok(form_page(&page, &draft, &FormErrors::default(), &html! {}))
        }
        "ask" => match asked(&page, &draft) {
            Ok(found) => Ok(form_page(&page, &draft, &FormErrors::default(), &found)),
            Err(problem) => refused(&page, &draft, problem),
        },
        _ => {
            let posted = match draft.body() {
                Ok(body) => posted_event::post(page.api(), &caller, &body, None).await,
                Err(problem) => Err(problem),
            };
            match posted {
                Ok(accepted) => {
                    let done = if accepted.repeated { "known" } else { "sent" };
                    Ok(response::go_to(&format!("/events/{}?done={done}", accepted.event.id)))
                }
                Err(problem) => refused(&page, &draft, problem),
            }
        }
    }
}

fn asked(page: &Page, draft: &Draft) -> Result<Markup, Problem> {
    let body = draft.body()?;
    let matched = event_dry_run::ask(page.api(), &page.caller::<CanAsk>()?, extract::parse(&body)?)?;
    Ok(who::results(page, &matched))
}

fn refused(page: &Page, draft: &Draft, problem: Problem) -> Shown {
    let errors = FormErrors::of_json(problem, "/data/object", "object")?;
    Ok(form_page(page, draft, &errors, &html! {}))
}

fn form_page(page: &Page, draft: &Draft, errors: &FormErrors, found: &Markup) -> HttpResponse {
    let rows = u8::try_from(draft.object.lines().count().clamp(10, 24)).unwrap_or(24);
    let body = html! {
        div.two.l {
            form.form.sec method="post" action="/events/send" novalidate {
                (layout::form_token(page))
                (errors.summary(&LABELS))
                div.beside {
                    (filters::type_field(page, errors, &draft.event_type, None))
                    button.btn type="submit" name="do" value="example" data-refills="object" data-when="type" { "Use its example" }
                }
                (Field::new("object", "Object", &draft.object).mono().hint("What receivers find under data.object: keys in this order, numbers digit by digit. White space between them is left out.").area(errors, rows))
                (filters::account_field(page, errors, &draft.account, Some("To whom it happened; default, if left empty.")))
                details.more open[!errors.is_none() || !draft.id.is_empty() || !draft.created.is_empty()] {
                    summary { "More settings" }
                    div.pair.gap {
                        // Ids are of the whole server: only the platform chooses them.
                        @if !page.is_customer() {
                            (Field::new("id", "Id", &draft.id).mono().optional().hint("evt_ and an id of your own. One is made, if left empty.").input(errors))
                        }
                        (Field::new("created", "Happened at", &draft.created).mono().optional().hint("In Unix seconds; now, if left empty.").input(errors))
                    }
                }
                div.acts {
                    button.btn.main type="submit" name="do" value="send" { "Send event" }
                    button.btn type="submit" name="do" value="ask" formaction="/events/send#gets" { "Who would get this?" }
                }
            }
            div.aside.sec {
                div { h2 { "It is a real one" } p { "Endpoints that subscribe to the type get it as if a producer had posted it: signed, logged, and sent again if it is not taken." } }
                div { h2 { "For one endpoint alone" } p { "Send a test from the endpoint’s page: one attempt, marked as a test." } }
                @if !page.is_customer() { div { h2 { "Nothing is sent twice" } p { "With an id of your own, the same event again is known and not sent again." } } }
            }
        }
        (found)
    };
    let view = View::new(Tab::Events, "Send event").crumb("Send", None).status(errors.status());
    page.show(view.lede(html! { "Start from the catalog’s example, change what you like." }).body(body))
}
