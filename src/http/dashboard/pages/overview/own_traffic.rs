//! What a customer's own endpoints were sent in a span of time, added up part by part.

use std::sync::Arc;

use maud::{Markup, html};

use super::{
    super::super::{
        components::{Plot, Stack, day_text, hour_text, number, percent, section, stacks},
        page::Page,
    },
    traffic::{Span, figure, key, queue, spans},
};
use crate::{
    domain::{endpoint::Endpoint, time::Timestamp},
    http::waiting::Waiting,
    store::TrafficStep,
};

/// Of what the span's chart consists.
#[derive(Clone, Copy)]
struct Parts {
    step: TrafficStep,
    /// How many steps a bar has.
    steps: usize,
    /// How many bars there are.
    bars: usize,
    /// What a bar is called.
    each: &'static str,
}

impl Parts {
    const fn of(span: Span) -> Self {
        match span {
            Span::Quarter => Self { step: TrafficStep::Minute, steps: 1, bars: 15, each: "minute" },
            Span::Day => Self { step: TrafficStep::Hour, steps: 1, bars: 24, each: "hour" },
            Span::Week => Self { step: TrafficStep::Hour, steps: 3, bars: 56, each: "three hours" },
        }
    }
}

/// One bar.
struct Part {
    from: Timestamp,
    to: Timestamp,
    taken: u64,
    refused: u64,
}

/// Figures and chart of these endpoints.
pub fn of_endpoints(page: &Page, span: Span, endpoints: &[Arc<Endpoint>], waiting: &Waiting) -> Markup {
    let parts = added_up(page, Parts::of(span), endpoints);
    let (taken, refused) = parts.iter().fold((0, 0), |(t, r), part| (t + part.taken, r + part.refused));
    let (_, short) = span.words();
    html! {
        dl.figs.four {
            (figure(&format!("Attempts taken, {short}"), &html! { (number(taken)) }, &match percent(taken, taken + refused) {
                Some(share) => format!("{share} of attempts"),
                None => "no attempts".to_owned(),
            }))
            (figure(&format!("Not taken, {short}"), &html! { (number(refused)) }, "refused, or not answered in time"))
            (queue(page, waiting))
        }
        (section("traffic", "Traffic", Some(spans(span)), &chart(span, &parts, taken, refused)))
    }
}

fn added_up(page: &Page, Parts { step, steps, bars, .. }: Parts, endpoints: &[Arc<Endpoint>]) -> Vec<Part> {
    let count = i64::try_from(steps * bars).unwrap_or(0);
    let now = page.now().as_seconds().div_euclid(step.seconds());
    let at = |number: i64| Timestamp::from_seconds(number * step.seconds());
    let first = now - count + 1;
    let length = i64::try_from(steps).unwrap_or(1);
    let mut parts: Vec<Part> = (0..count / length)
        .map(|n| Part { from: at(first + n * length), to: at(first + (n + 1) * length), taken: 0, refused: 0 })
        .collect();
    for endpoint in endpoints {
        for (n, found) in page.api().store().traffic(endpoint.id, step, count).iter().enumerate() {
            if let Some(part) = parts.get_mut(n / steps) {
                part.taken += u64::from(found.taken);
                part.refused += u64::from(found.refused);
            }
        }
    }
    parts
}

fn chart(span: Span, parts: &[Part], taken: u64, refused: u64) -> Markup {
    let name = |part: &Part| {
        let day = if span == Span::Week { format!("{}, ", day_text(part.from)) } else { String::new() };
        format!("{day}{} to {}", hour_text(part.from), hour_text(part.to))
    };
    let said: Vec<String> = parts
        .iter()
        .map(|part| format!("{}: {} taken, {} not", name(part), number(part.taken), number(part.refused)))
        .collect();
    let bars: Vec<Stack> = parts.iter().map(|part| Stack { bad: 0, again: part.refused, good: part.taken }).collect();
    let (taken, refused) = (number(taken), number(refused));
    let each = Parts::of(span).each;
    let finding = format!("Attempts for each {each} of the last {}: {taken} taken, {refused} not.", span.words().0);
    let moment =
        |sixth: usize| parts.get(parts.len() * sixth / 6).map_or_else(String::new, |part| span.moment(part.from));
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
                    @for part in parts {
                        tr {
                            th scope="row" { (name(part)) }
                            td.num data-th="Taken" { (number(part.taken)) }
                            td.num data-th="Not taken" { (number(part.refused)) }
                        }
                    }
                }
            }
        }
    }
}
