//! Audit log: every change, when, by whom, what, on what.

use actix_web::web;
use maud::html;

use super::super::{
    components::{self, clock_seconds},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::{
    domain::audit::Actor,
    http::{
        api::audit_log::{self, AuditQuery},
        auth::CanRead,
    },
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/audit-log", list).add_to(config);
}

async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = page.list_query::<AuditQuery>()?;
    let found = audit_log::find(page.api(), &caller, &query).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let body = html! {
        @if found.items.is_empty() {
            (components::nothing("No changes", &html! { "Whatever is changed stands here." }))
        } @else {
            div.sec {
                table.tb.t-plain {
                    thead { tr { th { "What" } th { "On" } th { "By" } th.num { "When" } } }
                    tbody {
                        @for entry in &found.items {
                            tr {
                                td { span.mono { (entry.action) } span.sub { (entry.details) } }
                                td { span.mono { (entry.subject) } }
                                td { @match &entry.actor { Actor::Token { name, .. } => (name), Actor::Server => "the server" } }
                                td.num { (clock_seconds(page.now(), entry.at)) }
                            }
                        }
                    }
                }
            }
            (components::pager(&page, &components::count(found.items.len() as u64, "change", "changes"), next.as_deref()))
        }
    };
    Ok(page.show(View::new(Tab::AuditLog, "Audit log").lede(html! { "Every change, newest first." }).body(body)))
}
