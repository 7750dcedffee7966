//! Audit log: every change, when, by whom, what, on what; newest first, with its filter in the address.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::{
    super::{
        components::{self, Field, FormErrors, clock_seconds, count},
        layout::{Tab, View},
        page::{Page, Shown, resource},
    },
    filters,
};
use crate::{
    domain::audit::{Actor, AuditEntry},
    http::{
        api::audit_log::{self, AuditQuery},
        auth::CanRead,
    },
};

const FILTERS: [&str; 5] = ["action", "subject", "account", "since", "until"];

/// What can be done, and what pages call it.
const ACTIONS: [(&str, &str); 22] = [
    ("", "Any change"),
    ("endpoint.created", "Endpoint added"),
    ("endpoint.updated", "Endpoint changed"),
    ("endpoint.deleted", "Endpoint deleted"),
    ("endpoint.disabled", "Endpoint disabled by its receiver"),
    ("endpoint.tested", "Test sent"),
    ("endpoint.replayed", "Endpoint replayed"),
    ("endpoint.secret_read", "Secret read"),
    ("endpoint.secret_rotated", "Secret rotated"),
    ("endpoint.secret_taken", "New secret taken by the receiver"),
    ("delivery.retried", "Delivery retried"),
    ("delivery.canceled", "Delivery canceled"),
    ("deliveries.retried", "Deliveries retried"),
    ("event_type.created", "Event type added"),
    ("event_type.updated", "Event type changed"),
    ("event_type.deleted", "Event type deleted"),
    ("token.created", "Token made"),
    ("token.deleted", "Token deleted"),
    ("session.opened", "Signed in"),
    ("session.closed", "Signed out"),
    ("portal_link.created", "Portal link made"),
    ("backup.taken", "Backup taken"),
];

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/audit-log", list).add_to(config);
}

async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = match page.list_query::<AuditQuery>() {
        Ok(query) => query,
        Err(problem) => return Ok(list_page(&page, &FormErrors::of(problem)?, &html! {})),
    };
    let found = audit_log::find(page.api(), &caller, &query, super::MOST_READS).await?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let rows = html! {
        @if !found.items.is_empty() {
            (table(&page, &found.items))
            (components::pager(&page, &count(found.items.len() as u64, "change", "changes"), next.as_deref()))
        } @else if next.is_some() {
            (filters::none_of_these(&page, "change"))
            (components::pager(&page, "None so far", next.as_deref()))
        } @else if filters::is_filtered(&page, &FILTERS) {
            (filters::none_of_these(&page, "change"))
        } @else {
            (components::nothing("No changes yet", &html! { "Whatever is added, changed, deleted or sent by hand stands here, with who did it." }))
        }
    };
    Ok(list_page(&page, &FormErrors::default(), &rows))
}

fn list_page(page: &Page, errors: &FormErrors, rows: &Markup) -> HttpResponse {
    let action = page.typed("action");
    let known = ACTIONS.iter().any(|(name, _)| *name == action);
    let other = (!known).then_some((&*action, &*action));
    let actions: Vec<_> = ACTIONS.into_iter().chain(other).collect();
    let subject = page.typed("subject");
    let on = Field::new("subject", "On", &subject).mono().placeholder("an id or a name");
    let body = html! {
        (errors.summary(&filters::LABELS))
        (filters::form(page, &FILTERS, &html! {
            (Field::new("action", "Change", &action).select(errors, &actions))
            (on.input(errors))
            (filters::account_field(page, errors, &page.typed("account"), None))
            (filters::time_fields(page, errors))
        }))
        (filters::time_chips(page, &FILTERS[..3]))
        (rows)
    };
    let view = View::new(Tab::AuditLog, "Audit log")
        .lede(html! { "Every change, newest first: what was done, on what, by whom." });
    page.show(view.status(errors.status()).body(body))
}

fn table(page: &Page, entries: &[AuditEntry]) -> Markup {
    html! {
        table.tb.t-aud.gap {
            thead { tr { th { "Change" } th { "On" } @if !page.is_customer() { th { "Account" } } th { "By" } th.num { "When" } } }
            tbody { @for entry in entries { (row(page, entry)) } }
        }
    }
}

fn row(page: &Page, entry: &AuditEntry) -> Markup {
    let word = ACTIONS.iter().find(|(name, _)| *name == entry.action).map(|(_, word)| *word);
    html! {
        tr {
            td.a-ep {
                strong { @match word { Some(word) => (word), None => span.mono { (entry.action) } } }
                @if !entry.details.is_empty() { span.sub.wrap-any { (entry.details) } }
            }
            td.a-ev { span.mono.wrap-any { @match place(&entry.subject) { Some(path) => a href=(path) { (entry.subject) }, None => (entry.subject) } } }
            @if !page.is_customer() { td.a-att { @match &entry.account { Some(account) => span.cut { (account) }, None => span.sub { "none" } } } }
            td.a-rate { @match &entry.actor { Actor::Token { name, .. } => span.cut { (name) }, Actor::Server => span.sub { "the server itself" } } }
            td.num.a-time { (clock_seconds(page.now(), entry.at)) }
        }
    }
}

/// The page of what was changed, if there is one.
fn place(subject: &str) -> Option<String> {
    let tab = match subject.split_once('_')?.0 {
        "ep" => "endpoints",
        "dlv" => "logs",
        "evt" => "events",
        _ => return None,
    };
    subject
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        .then(|| format!("/{tab}/{subject}"))
}
