//! Adding an event type and changing one: the same form.

use actix_web::HttpResponse;
use maud::html;

use super::{
    super::super::{
        components::{Field, FormErrors},
        form::{Body, Form},
        layout::{self, Tab, View},
        page::{Page, Shown},
        response,
    },
    named, path,
};
use crate::{
    domain::json_text,
    http::{
        api::event_types::{add as add_type, replace},
        auth::CanChangeServer,
        catalog::Entry,
        problem::Problem,
    },
};

const LABELS: [(&str, &str); 5] = [
    ("name", "Name"),
    ("description", "What happened"),
    ("example", "Example"),
    ("schema", "JSON Schema"),
    ("enforce_schema", "Enforce"),
];

/// What the form holds.
#[derive(Default)]
struct Draft {
    name: String,
    description: String,
    example: String,
    schema: String,
    enforce_schema: bool,
}

impl Draft {
    fn of(form: &Form) -> Self {
        let text = |name| form.text(name).to_owned();
        Self {
            name: text("name"),
            description: text("description"),
            example: text("example"),
            schema: text("schema"),
            enforce_schema: form.has("enforce_schema"),
        }
    }

    fn of_entry(entry: &Entry) -> Self {
        let event_type = &entry.event_type;
        Self {
            name: event_type.name.to_string(),
            description: event_type.description.clone(),
            example: json_text::pretty(&event_type.example),
            schema: event_type.schema.as_deref().map(json_text::pretty).unwrap_or_default(),
            enforce_schema: event_type.enforce_schema,
        }
    }

    /// All but the name.
    fn body(&self) -> Result<Body, Problem> {
        let body = Body::default().with("description", self.description.as_str());
        let body = body.json("example", &self.example)?.json("schema", &self.schema)?;
        Ok(body.with("enforce_schema", self.enforce_schema))
    }
}

pub async fn new(page: Page) -> Shown {
    page.caller::<CanChangeServer>()?;
    Ok(new_page(&page, &Draft { example: "{\n  \n}".to_owned(), ..Draft::default() }, &FormErrors::default()))
}

pub async fn add(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanChangeServer>()?;
    let draft = Draft::of(&form);
    let added = match draft.body().and_then(|body| body.text("name", &draft.name).parse()) {
        Ok(new) => add_type(page.api(), &caller, new).await,
        Err(problem) => Err(problem),
    };
    match added {
        Ok(entry) => Ok(response::go_to(&format!("{}?done=added", path(&entry)))),
        Err(problem) => Ok(new_page(&page, &draft, &errors_of(problem)?)),
    }
}

pub async fn edit(page: Page) -> Shown {
    page.caller::<CanChangeServer>()?;
    let entry = named(&page)?;
    Ok(edit_page(&page, &entry, &Draft::of_entry(&entry), &FormErrors::default()))
}

pub async fn save(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanChangeServer>()?;
    let entry = named(&page)?;
    let draft = Draft::of(&form);
    let saved = match draft.body().and_then(Body::parse) {
        Ok(update) => replace(page.api(), &caller, entry.event_type.name.clone(), update).await,
        Err(problem) => Err(problem),
    };
    match saved {
        Ok(put) => Ok(response::go_to(&format!("{}?done=saved", path(&put.entry)))),
        Err(problem) => Ok(edit_page(&page, &entry, &draft, &errors_of(problem)?)),
    }
}

fn errors_of(problem: Problem) -> Result<FormErrors, Problem> {
    let field = if problem.pointer().is_some_and(|at| at.starts_with("/schema")) { "schema" } else { "example" };
    FormErrors::of_json(problem, &format!("/{field}"), field)
}

fn new_page(page: &Page, draft: &Draft, errors: &FormErrors) -> HttpResponse {
    let view = View::new(Tab::EventTypes, "Add event type").crumb("New", None).status(errors.status());
    page.show(view.body(form(page, "/event-types/add-new", "/event-types", draft, errors, true)))
}

fn edit_page(page: &Page, entry: &Entry, draft: &Draft, errors: &FormErrors) -> HttpResponse {
    let place = path(entry);
    let name = entry.event_type.name.as_str();
    let view = View::new(Tab::EventTypes, "Edit").crumb(name, Some(place.clone())).crumb("Edit", None);
    let view = if entry.built_in {
        view.lede(html! { span.mono { (name) } " is built in. What is saved here stands in its place." })
    } else {
        view.lede(html! { span.mono { (name) } })
    };
    let content = form(page, &format!("{place}/edit"), &place, draft, errors, false);
    page.show(view.status(errors.status()).body(content))
}

fn form(page: &Page, target: &str, back: &str, draft: &Draft, errors: &FormErrors, is_new: bool) -> maud::Markup {
    let rows = |text: &str| u8::try_from(text.lines().count().clamp(6, 20)).unwrap_or(20);
    html! {
        div.two.l {
            form.form.sec method="post" action=(target) novalidate {
                (layout::form_token(page))
                (errors.summary(&LABELS))
                @if is_new { (Field::new("name", "Name", &draft.name).mono().hint("Lower-case parts joined by dots, like invoice.paid.").input(errors)) }
                (Field::new("description", "What happened", &draft.description).hint("A sentence for those who subscribe.").area(errors, 2))
                (Field::new("example", "Example", &draft.example).mono().hint("A realistic data.object. It is what tests send.").area(errors, rows(&draft.example)))
                (Field::new("schema", "JSON Schema", &draft.schema).mono().optional().hint("Of data.object, in the dialect of 2020-12, referring to nothing outside.").area(errors, rows(&draft.schema)))
                div.fld {
                    div.pick { label { input #enforce_schema type="checkbox" name="enforce_schema" checked[draft.enforce_schema]; " Refuse events that break the schema" } }
                    (super::super::super::components::field_error("enforce_schema", errors))
                }
                div.acts {
                    button.btn.main type="submit" { @if is_new { "Add event type" } @else { "Save" } }
                    a.btn href=(back) { "Cancel" }
                }
            }
            div.aside.sec {
                div { h2 { "What a schema does" } p { "It documents the object. Only if it is enforced are events that break it refused, with the place that is wrong." } }
                div { h2 { "Names group" } p { "An endpoint can subscribe to all below a part of a name: invoice.* takes invoice.paid and what is added later." } }
            }
        }
    }
}
