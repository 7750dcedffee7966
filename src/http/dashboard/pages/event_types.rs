//! Event types: the catalog, each with what it means and an example.

use actix_web::web;
use maud::html;

use super::super::{
    components::{self, count},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::event_type::EventTypeName,
    http::{auth::CanRead, problem::Problem},
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/event-types", list).add_to(config);
    resource("/event-types/{name}", show).add_to(config);
}

async fn list(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let entries = page.api().catalog().all();
    let body = html! {
        div.sec {
            table.tb.t-plain {
                thead { tr { th { "Name" } th { "What happened" } } }
                tbody {
                    @for entry in entries.values() {
                        tr {
                            td { a.row.mono href={ "/event-types/" (entry.event_type.name) } { (entry.event_type.name) } }
                            td { (entry.event_type.description) }
                        }
                    }
                }
            }
        }
    };
    let lede = html! { (count(entries.len() as u64, "event type", "event types")) " that endpoints can subscribe to." };
    Ok(page.show(View::new(Tab::EventTypes, "Event types").lede(lede).body(body)))
}

async fn show(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let name: EventTypeName = page.part("name", "event type")?;
    let entry = page.api().catalog().get(&name).ok_or_else(|| Problem::not_found("event type"))?;
    let event_type = &entry.event_type;
    let body = html! {
        (components::code("example", "Example", Some("data.object"), &event_type.example, true))
        @if let Some(schema) = &event_type.schema {
            (components::code("schema", "JSON Schema", Some(if event_type.enforce_schema { "enforced" } else { "not enforced" }), schema, true))
        }
    };
    let view = View::new(Tab::EventTypes, name.as_str()).crumb(name.to_string(), None);
    Ok(page.show(view.lede(html! { (event_type.description) }).body(body)))
}
