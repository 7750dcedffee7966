//! The list: newest first, with state, what each gets, the last day, and what waits.

use maud::{Markup, html};

use super::super::super::{
    components::{self, Bar, State, ago, count, percent, spark, state},
    layout::{Tab, View},
    page::{Page, Shown},
};
use crate::{
    domain::{endpoint::Endpoint, subscription::Subscription},
    http::{
        api::endpoints::{self, EndpointQuery},
        auth::{CanChange, CanRead},
    },
    store::{TrafficPart, TrafficStep},
};

/// The presets: a word and what stands behind the question mark.
const PRESETS: [(&str, &str); 4] =
    [("All", ""), ("Enabled", "?status=enabled"), ("Paused", "?status=paused"), ("Disabled", "?status=disabled")];

pub async fn list(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let query = page.list_query::<EndpointQuery>()?;
    let found = endpoints::matching(page.api(), &caller, &query)?;
    let next = query.page::<(), _>(Vec::new(), found.next.as_ref()).next_cursor;
    let snapshot = page.api().registry().snapshot();
    let total = snapshot.endpoints().values().filter(|endpoint| caller.sees(&endpoint.account)).count();
    let may_change = page.can::<CanChange>();
    let add = html! { a.btn.main href="/endpoints/new" { (components::icon("plus")) "Add endpoint" } };
    let body = html! {
        @if total == 0 {
            (components::nothing("No endpoints yet", &html! {
                @if page.is_customer() { "An endpoint is an address of yours" } @else { "An endpoint is a customer’s address" }
                ", with the events that it gets. Each event is signed, sent, and sent again if it is not taken."
                @if !may_change { " To add one takes a token with the role " span.mono { "admin" } "." }
            }))
        } @else {
            nav.chips.filters aria-label="Filter" {
                @for (word, search) in PRESETS {
                    a.chip href={ "/endpoints" (search) } aria-current=[is_current(&page, search).then_some("true")] { (word) }
                }
            }
            @if found.items.is_empty() {
                (components::nothing("None of these", &html! { "No endpoint is in this state. " a href="/endpoints" { "Show all" } }))
            } @else {
                (table(&page, &found.items))
                (components::pager(&page, &count(found.items.len() as u64, "endpoint", "endpoints"), next.as_deref()))
            }
        }
    };
    let mut view = View::new(Tab::Endpoints, "Endpoints").body(body);
    if total > 0 {
        view = view.lede(html! { (count(total as u64, "address", "addresses")) " that events are sent to." });
    }
    Ok(page.show(if may_change { view.actions(add) } else { view }))
}

fn is_current(page: &Page, search: &str) -> bool {
    let query = page.request().query_string();
    search.strip_prefix('?').map_or(!query.contains("status="), |search| query.split('&').any(|part| part == search))
}

fn table(page: &Page, endpoints: &[std::sync::Arc<Endpoint>]) -> Markup {
    html! {
        table.tb.t-end {
            thead {
                tr {
                    th { "Endpoint" } th { "State" } th { "Gets" } th { "Last 24 hours" } th.num { "Taken" }
                    th.num { "Last success" }
                }
            }
            tbody { @for endpoint in endpoints { (row(page, endpoint)) } }
        }
    }
}

fn row(page: &Page, endpoint: &Endpoint) -> Markup {
    let health = page.api().store().health(endpoint.id);
    let traffic = day_of(page, endpoint);
    let described = super::name(endpoint) != super::without_scheme(&endpoint.url);
    html! {
        tr {
            td.a-ep {
                a.row href=(super::path(endpoint)) { (super::name(endpoint)) }
                span.sub.cut {
                    @if described { span.mono { (super::short_address(&endpoint.url)) } }
                    @if !page.is_customer() { @if described { " · " } (endpoint.account) }
                }
            }
            td.a-st { (state(State::of_endpoint(endpoint, &health))) }
            td.a-ev { (gets(&endpoint.event_types)) }
            td.a-sp { (spark(&bars(&traffic), &finding(&traffic), false)) }
            td.num.a-rate { (share_taken(&traffic)) }
            td.num.a-last {
                @match health.last_success_at { Some(at) => (ago(page.now(), at)), None => span.sub { "never" } }
            }
        }
    }
}

fn gets(subscriptions: &[Subscription]) -> Markup {
    html! {
        @match subscriptions {
            _ if subscriptions.contains(&Subscription::All) => "All types",
            [only] => span.mono { (only) },
            several => { (several.len()) " types" }
        }
    }
}

/// The last 24 hours of an endpoint.
pub fn day_of(page: &Page, endpoint: &Endpoint) -> Vec<TrafficPart> {
    page.api().store().traffic(endpoint.id, TrafficStep::Hour, 24)
}

/// The hours as bars.
pub fn bars(traffic: &[TrafficPart]) -> Vec<Bar> {
    traffic.iter().map(|hour| Bar { good: hour.taken.into(), bad: hour.refused.into() }).collect()
}

/// What the bars show, in words.
pub fn finding(traffic: &[TrafficPart]) -> String {
    let (taken, refused) = sums(traffic);
    if taken + refused == 0 {
        return "No attempts in the last 24 hours.".to_owned();
    }
    format!("In the last 24 hours {} taken, {refused} not.", count(taken, "attempt was", "attempts were"))
}

/// The share of attempts that were taken.
pub fn share_taken(traffic: &[TrafficPart]) -> Markup {
    let (taken, refused) = sums(traffic);
    html! { @match percent(taken, taken + refused) { Some(share) => (share), None => span.sub { "no attempts" } } }
}

fn sums(traffic: &[TrafficPart]) -> (u64, u64) {
    traffic
        .iter()
        .fold((0, 0), |(taken, refused), hour| (taken + u64::from(hour.taken), refused + u64::from(hour.refused)))
}
