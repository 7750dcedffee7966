//! What a customer's own endpoints were sent in the last day, added up hour by hour.

use std::sync::Arc;

use maud::{Markup, html};

use super::{
    super::super::{
        components::{Plot, Stack, hour_text, number, percent, section, stacks},
        page::Page,
    },
    traffic::{figure, key, queue},
};
use crate::{
    domain::{endpoint::Endpoint, time::Timestamp},
    http::waiting::Waiting,
    store::HourOfTraffic,
};

/// Figures and chart of these endpoints.
pub fn of_endpoints(page: &Page, endpoints: &[Arc<Endpoint>], waiting: &Waiting) -> Markup {
    let hours = added_up(page, endpoints);
    let (taken, refused) = hours.iter().fold((0, 0), |(t, r), hour| (t + hour.taken, r + hour.refused));
    html! {
        dl.figs.four {
            (figure("Attempts taken, 24 h", &html! { (number(taken)) }, &match percent(taken, taken + refused) {
                Some(share) => format!("{share} of attempts"),
                None => "no attempts".to_owned(),
            }))
            (figure("Not taken, 24 h", &html! { (number(refused)) }, "refused, or not answered in time"))
            (queue(page, waiting))
        }
        (section("traffic", "Traffic", Some(html! { span.sub { "24 hours, all endpoints" } }), &chart(&hours, taken, refused)))
    }
}

fn added_up(page: &Page, endpoints: &[Arc<Endpoint>]) -> Vec<HourOfTraffic> {
    let mut hours: Vec<HourOfTraffic> = Vec::new();
    for endpoint in endpoints {
        let traffic = page.api().store().traffic(endpoint.id);
        if hours.is_empty() {
            hours = traffic;
            continue;
        }
        for hour in traffic {
            if let Some(sum) = hours.iter_mut().find(|sum| sum.hour == hour.hour) {
                sum.taken += hour.taken;
                sum.refused += hour.refused;
            }
        }
    }
    hours
}

fn chart(hours: &[HourOfTraffic], taken: u64, refused: u64) -> Markup {
    let start = |hour: i64| hour_text(Timestamp::from_seconds(hour * 3_600));
    let name = |hour: &HourOfTraffic| format!("{} to {}", start(hour.hour), start(hour.hour + 1));
    let said: Vec<String> = hours
        .iter()
        .map(|hour| format!("{}: {} taken, {} not", name(hour), number(hour.taken), number(hour.refused)))
        .collect();
    let bars: Vec<Stack> = hours.iter().map(|hour| Stack { bad: 0, again: hour.refused, good: hour.taken }).collect();
    let (taken, refused) = (number(taken), number(refused));
    let finding = format!("Attempts for each of the last 24 hours: {taken} taken, {refused} not.");
    let moment = |sixth: usize| hours.get(hours.len() * sixth / 6).map_or_else(String::new, |hour| start(hour.hour));
    let moments = [moment(0), moment(1), moment(2), moment(3), moment(4), moment(5), "now".to_owned()];
    html! {
        div.key {
            (key(&html! { rect.ok width="14" height="10" rx="2" {} }, "Taken", &taken))
            (key(&html! { g.retry { path d="M0 0h14v4H0zM0 5h14v4H0z" {} } }, "Not taken", &refused))
        }
        (stacks(&Plot { finding: &finding, moments: &moments, said: &said }, &bars))
        details.more {
            summary { "Show as a table" }
            table.tb.t-num {
                thead { tr { th { "From" } th.num { "Taken" } th.num { "Not taken" } } }
                tbody {
                    @for hour in hours {
                        tr {
                            th scope="row" { (name(hour)) }
                            td.num data-th="Taken" { (number(hour.taken)) }
                            td.num data-th="Not taken" { (number(hour.refused)) }
                        }
                    }
                }
            }
        }
    }
}
