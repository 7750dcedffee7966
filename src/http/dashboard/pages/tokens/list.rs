//! The list: newest first, with what each may do, for whom, and until when.

use maud::{Markup, html};

use super::super::super::{
    components::{self, Tone, clock, count, icon, in_words, note},
    layout::{Tab, View},
    page::{Page, Shown},
};
use crate::{
    domain::token::Token,
    http::{
        api::{event_types::NoFilter, tokens},
        auth::{CanChangeServer, CanReadServer},
    },
};

pub async fn list(page: Page) -> Shown {
    listed(&page, None)
}

/// The list, below a note.
pub fn listed(page: &Page, above: Option<&Markup>) -> Shown {
    let caller = page.caller::<CanReadServer>()?;
    let query = page.list_query::<NoFilter>()?;
    let found = tokens::find(page.api(), &caller, &query)?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let may_change = page.can::<CanChangeServer>();
    let total = page.api().tokens().all().len();
    let body = html! {
        @if let Some(above) = above { div.sec data-place="/tokens" { (above) } }
        div.sec {
            table.tb.t-tok {
                thead {
                    tr {
                        th { "Name" } th { "Role" } th { "Account" } th.num { "Made" } th.num { "Expires" }
                        @if may_change { th { span.vh { "Delete" } } }
                    }
                }
                tbody { @for token in &found.items { (row(page, token, may_change)) } }
            }
        }
        (components::pager(page, &count(found.items.len() as u64, "token", "tokens"), next.as_deref()))
        section.sec aria-labelledby="roles" {
            div.sec-h { h2 #roles { "What the roles may do" } }
            (components::facts(&super::ROLES.map(|(role, text)| (role, html! { (text) }))))
            p.sub.gap { "A token that is bound to an account sees and makes only that account’s things." }
        }
    };
    let lede = html! { (count(total as u64, "token", "tokens")) " for the API and for these pages. Their texts are stored hashed: none can be shown again." };
    let mut view = View::new(Tab::Tokens, "Tokens").lede(lede).body(body);
    if may_change {
        view = view.actions(html! { a.btn.main href="/tokens/new" { (icon("plus")) "Make token" } });
    }
    Ok(page.show(view))
}

fn row(page: &Page, token: &Token, may_change: bool) -> Markup {
    html! {
        tr {
            td.a-ep { strong.cut { (token.name) } span.sub.mono.cut { (token.id) } }
            td.a-ev { (token.role.as_str()) @if token.id == page.token().id { " " span.sub { "yours" } } }
            td.a-att { @match &token.account { Some(account) => span.cut { (account) }, None => span.sub { "all" } } }
            td.num.a-last { (clock(page.now(), token.created_at)) }
            td.num.a-time {
                @match token.expires_at {
                    Some(end) if end <= page.now() => span.sub { "expired" }
                    Some(end) => span title=(in_words(page.now(), end)) { (clock(page.now(), end)) }
                    None => span.sub { "never" }
                }
            }
            @if may_change {
                td.num.a-act { a.btn.tiny.risk href={ "/tokens/" (token.id) "/delete" } { "Delete" span.vh { " " (token.name) } } }
            }
        }
    }
}

/// The note with a new token's text.
pub fn made(token: &Token, text: &str) -> Markup {
    note(
        Tone::Good,
        "The token was made",
        &html! {
            p { "This is the only time that " strong { (token.name) } " is shown. Keep it where only its holder finds it." }
            div.inrow.gap {
                label.vh for="token" { "Token" }
                input.in.mono #token readonly value=(text) autocomplete="off" spellcheck="false";
                button.btn type="button" data-copy="token" hidden { span data-label="" { "Copy" } }
            }
        },
    )
}
