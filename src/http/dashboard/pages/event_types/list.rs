//! The catalog by name.

use maud::{Markup, html};

use super::super::super::{
    components::{self, count, icon},
    layout::{Tab, View},
    page::{Page, Shown},
};
use crate::{
    domain::event_type::EventTypeName,
    http::{
        api::event_types::NoFilter,
        auth::{CanChangeServer, CanRead},
        catalog::Entry,
        list,
    },
};

pub async fn list(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let query = page.list_query::<NoFilter>()?;
    let after: Option<EventTypeName> = query.after()?;
    let entries = page.api().catalog().all();
    let rest = entries.values().filter(|entry| after.as_ref().is_none_or(|after| entry.event_type.name > *after));
    let found = list::cut(query.limit(), rest, |entry| entry.event_type.name.clone());
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let body = html! {
        div.sec {
            table.tb.t-typ {
                thead { tr { th { "Name" } th { "What happened" } th { "Schema" } th.num { "Origin" } } }
                tbody { @for entry in &found.items { (row(entry)) } }
            }
        }
        (components::pager(&page, &count(found.items.len() as u64, "event type", "event types"), next.as_deref()))
    };
    let lede = html! { (count(entries.len() as u64, "event type", "event types")) " that endpoints can subscribe to." };
    let mut view = View::new(Tab::EventTypes, "Event types").lede(lede).body(body);
    if page.can::<CanChangeServer>() {
        view = view.actions(html! { a.btn.main href="/event-types/add-new" { (icon("plus")) "Add event type" } });
    }
    Ok(page.show(view))
}

fn row(entry: &Entry) -> Markup {
    let event_type = &entry.event_type;
    html! {
        tr {
            td.a-ep { a.row.mono href=(super::path(entry)) { (event_type.name) } }
            td.a-why { (components::prose(&event_type.description)) }
            td.a-ev {
                @match (&event_type.schema, event_type.enforce_schema) {
                    (None, _) => span.sub { "none" }
                    (Some(_), true) => "enforced"
                    (Some(_), false) => "not enforced"
                }
            }
            td.num.a-rate { @if entry.built_in { span.sub { "built in" } } @else { "added" } }
        }
    }
}
