//! The list of endpoints.

use maud::html;

use super::super::super::{
    components::{self, State, ago, number, state},
    layout::{Tab, View},
    page::{Page, Shown},
};
use crate::http::{
    api::endpoints::{self, EndpointQuery},
    auth::CanRead,
};

pub async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = page.list_query::<EndpointQuery>()?;
    let found = endpoints::matching(page.api(), &caller, &query)?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let body = html! {
        @if found.items.is_empty() {
            (components::nothing("No endpoints", &html! { "An endpoint is a customer’s address with the events that it gets." }))
        } @else {
            div.sec {
                table.tb.t-end {
                    thead { tr { th { "Endpoint" } th { "State" } th.num { "Waiting" } th.num { "Last success" } } }
                    tbody {
                        @for endpoint in &found.items {
                            @let health = page.api().store().health(endpoint.id);
                            tr {
                                td.a-ep {
                                    a.row href={ "/endpoints/" (endpoint.id) } { (super::name(endpoint)) }
                                    span.sub.mono.cut { (super::without_scheme(&endpoint.url)) }
                                }
                                td.a-st { (state(State::of_endpoint(endpoint, &health))) }
                                td.num.a-rate { (number(health.pending)) }
                                td.num.a-last {
                                    @match health.last_success_at {
                                        Some(at) => (ago(page.now(), at)),
                                        None => span.sub { "never" }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            (components::pager(&page, &components::count(found.items.len() as u64, "endpoint", "endpoints"), next.as_deref()))
        }
    };
    Ok(page.show(View::new(Tab::Endpoints, "Endpoints").body(body)))
}
