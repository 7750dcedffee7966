//! Tokens: who may use the API and these pages, and with which rights. Never a token's text.

use actix_web::web;
use maud::html;

use super::super::{
    components::{clock, count},
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::http::auth::CanReadServer;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/tokens", list).add_to(config);
}

async fn list(page: Page) -> Shown {
    page.caller::<CanReadServer>()?;
    let tokens = page.api().tokens().all();
    let body = html! {
        div.sec {
            table.tb.t-plain {
                thead { tr { th { "Name" } th { "Role" } th { "Account" } th.num { "Expires" } } }
                tbody {
                    @for token in tokens.iter().rev() {
                        tr {
                            td { strong { (token.name) } span.sub.mono { (token.id) } }
                            td { (token.role.as_str()) }
                            td { @match &token.account { Some(account) => (account), None => span.sub { "all" } } }
                            td.num {
                                @match token.expires_at { Some(end) => (clock(page.now(), end)), None => span.sub { "never" } }
                            }
                        }
                    }
                }
            }
        }
    };
    let lede = html! { (count(tokens.len() as u64, "token", "tokens")) " for the API and for these pages." };
    Ok(page.show(View::new(Tab::Tokens, "Tokens").lede(lede).body(body)))
}
