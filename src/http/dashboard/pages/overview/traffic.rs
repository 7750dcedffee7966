//! The server's figures and charts over a span of time: what was accepted, delivered, failed and retried, how long it
//! took, and what waits.

use std::time::Duration;

use maud::{Markup, html};

use super::super::super::{
    components::{
        self, Line, Plot, Stack, clock, day_text, hour_text, latencies, lines, millis, number, percent, section, stacks,
    },
    page::Page,
};
use crate::{
    domain::time::Timestamp,
    http::{
        api::stats::{self, Latency, start_of, sum},
        problem::Problem,
        waiting::Waiting,
    },
    store::Minute,
};

/// How far back the charts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    Quarter,
    Day,
    Week,
}

impl Span {
    const ALL: [Self; 3] = [Self::Quarter, Self::Day, Self::Week];

    /// The span that an address names; a day, if it names none.
    pub fn of(text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::Day) };
        let found = Self::ALL.into_iter().find(|span| span.as_str() == text);
        found.ok_or_else(|| Problem::parameter("span", "must be `15m`, `24h` or `7d`"))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// In words, and short beside a figure.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Quarter => ("15 minutes", "15 min"),
            Self::Day => ("24 hours", "24 h"),
            Self::Week => ("7 days", "7 d"),
        }
    }

    /// The minutes of a part, what they are called, and how many parts there are.
    const fn parts(self) -> (u64, &'static str, u64) {
        match self {
            Self::Quarter => (1, "minute", 15),
            Self::Day => (30, "half hour", 48),
            Self::Week => (180, "three hours", 56),
        }
    }

    fn length(self) -> Duration {
        let (minutes, ..) = self.parts();
        Duration::from_secs(minutes * 60)
    }

    /// When a part begins and ends, in words.
    fn name(self, part: &Minute) -> String {
        let from = start_of(part.minute);
        let to = from.plus(self.length());
        let day = if self == Self::Week { format!("{}, ", day_text(from)) } else { String::new() };
        format!("{day}{} to {}", hour_text(from), hour_text(to))
    }

    /// A time of the axis.
    pub fn moment(self, at: Timestamp) -> String {
        if self == Self::Week { day_text(at) } else { hour_text(at) }
    }
}

/// What stands above what needs a look, and below it.
pub async fn of_server(page: &Page, span: Span, waiting: &Waiting) -> Result<(Markup, Markup), Problem> {
    let (minutes, _, count) = span.parts();
    // The span before, to compare with; more than a week is not kept.
    let before = if span == Span::Week { 0 } else { count };
    let mut earlier = stats::series(page.api(), minutes, before + count).await?;
    let parts = earlier.split_off(usize::try_from(before).unwrap_or(0));
    let total = sum(&parts);
    let (words, _) = span.words();
    let top = html! {
        (figures(page, span, &total, &sum(&earlier), waiting))
        (section("traffic", "Traffic", Some(spans(span)), &traffic(span, &parts, &total)))
    };
    let bottom = html! {
        div.two {
            (section("latency", "Latency", Some(html! { span.sub { "of what was delivered, " (words) } }), &latency(span, &parts, &total)))
            (section("accepted", "Accepted and retried", Some(html! { span.sub { (words) } }), &accepted(span, &parts, &total)))
        }
    };
    Ok((top, bottom))
}

fn figures(page: &Page, span: Span, total: &Minute, before: &Minute, waiting: &Waiting) -> Markup {
    let (words, short) = span.words();
    let (now, was) = (Latency::of(total), Latency::of(before));
    let compared = |was: Option<f64>| match was {
        Some(was) if span != Span::Week => format!("the {words} before: {}", millis(in_millis(was))),
        _ => format!("of the last {words}"),
    };
    html! {
        dl.figs {
            (figure(&format!("Delivered, {short}"), &html! { (number(total.delivered)) }, &match percent(total.delivered, total.delivered + total.failed) {
                Some(share) => format!("{share} of what ended"),
                None => "nothing ended".to_owned(),
            }))
            (figure("Latency p50", &duration(now.p50_ms), &compared(was.p50_ms)))
            (figure("Latency p99", &duration(now.p99_ms), &compared(was.p99_ms)))
            (queue(page, waiting))
        }
    }
}

/// How much waits, and since when the oldest of it is due.
pub fn queue(page: &Page, waiting: &Waiting) -> Markup {
    let now = page.now();
    html! {
        (figure("Queue", &html! { (number(waiting.pending)) " " small { "waiting" } }, &match (waiting.held, waiting.next.first()) {
            (1.., _) => format!("{} held by endpoints that are off", number(waiting.held)),
            (0, Some((_, at))) => format!("next retry {}", components::in_words(now, *at)),
            (0, None) => "no retry to come".to_owned(),
        }))
        @match waiting.due_since {
            Some(since) => div {
                dt { "Oldest due" }
                dd.v { (with_unit(&components::span(now.since(since)))) }
                dd { "since " (clock(now, since)) }
            }
            None => (figure("Oldest due", &html! { span.none-yet { "none" } }, "nothing waits for its turn"))
        }
    }
}

/// One of the strip of figures.
pub fn figure(name: &str, value: &Markup, about: &str) -> Markup {
    html! { div { dt { (name) } dd.v { (value) } dd { (about) } } }
}

fn duration(millis_: Option<f64>) -> Markup {
    html! {
        @match millis_ {
            Some(value) => (with_unit(&millis(in_millis(value)))),
            None => span.none-yet { "none yet" }
        }
    }
}

/// `184 ms` with a small unit; `2 h 21 min` as it is.
fn with_unit(text: &str) -> Markup {
    html! {
        @match text.split_once(' ') {
            Some((value, unit)) if !unit.contains(' ') => { (value) " " small { (unit) } }
            _ => (text)
        }
    }
}

fn in_millis(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default()
}

/// The choice of how far back.
pub fn spans(current: Span) -> Markup {
    html! {
        nav.seg aria-label="How far back" {
            @for span in Span::ALL {
                a href={ "/?span=" (span.as_str()) } aria-current=[(span == current).then_some("true")] { (span.words().0) }
            }
        }
    }
}

fn traffic(span: Span, parts: &[Minute], total: &Minute) -> Markup {
    let (words, _) = span.words();
    let (_, each, _) = span.parts();
    let finding = format!(
        "Attempts for each {each} of the last {words}: {} delivered, {} not taken yet, {} failed for good.",
        number(total.delivered),
        number(not_yet(total)),
        number(total.failed),
    );
    let said: Vec<String> = parts
        .iter()
        .map(|part| {
            let (delivered, again, failed) = (number(part.delivered), number(not_yet(part)), number(part.failed));
            format!("{}: {delivered} delivered, {again} not taken yet, {failed} failed", span.name(part))
        })
        .collect();
    let bars: Vec<Stack> =
        parts.iter().map(|part| Stack { bad: part.failed, again: not_yet(part), good: part.delivered }).collect();
    html! {
        div.key {
            (key(&html! { rect.ok width="14" height="10" rx="2" {} }, "Delivered", &number(total.delivered)))
            (key(&html! { g.retry { path d="M0 0h14v4H0zM0 5h14v4H0z" {} } }, "Not taken yet", &number(not_yet(total))))
            (key(&html! { rect.fail width="14" height="10" rx="2" {} }, "Failed, attempts used up", &number(total.failed)))
        }
        (stacks(&Plot { finding: &finding, moments: &moments(span, parts), said: &said }, &bars))
        details.more {
            summary { "Show as a table" }
            (table(span, parts))
        }
    }
}

/// Attempts without a 2xx that were not the last of their delivery.
fn not_yet(part: &Minute) -> u64 {
    part.attempts.saturating_sub(part.taken()).saturating_sub(part.failed)
}

/// What a colour or a line stands for, with its sum.
pub fn key(mark: &Markup, word: &str, value: &str) -> Markup {
    html! { span { svg viewBox="0 0 14 10" aria-hidden="true" { (mark) } (word) " " b { (value) } } }
}

fn moments(span: Span, parts: &[Minute]) -> [String; 7] {
    let at = |sixth: usize| {
        let part = parts.get(parts.len() * sixth / 6).or(parts.last());
        part.map_or_else(String::new, |part| span.moment(start_of(part.minute)))
    };
    [at(0), at(1), at(2), at(3), at(4), at(5), "now".to_owned()]
}

fn table(span: Span, parts: &[Minute]) -> Markup {
    const COLUMNS: [&str; 6] = ["Accepted", "Delivered", "Failed", "Retried", "p50", "p99"];
    let shown = |millis_: Option<f64>| millis_.map_or_else(|| "none".to_owned(), |value| millis(in_millis(value)));
    html! {
        table.tb.t-num {
            thead { tr { th { "From" } @for column in COLUMNS { th.num { (column) } } } }
            tbody {
                @for part in parts {
                    @let latency = Latency::of(part);
                    @let values = [number(part.accepted), number(part.delivered), number(part.failed), number(part.retried),
                        shown(latency.p50_ms), shown(latency.p99_ms)];
                    tr {
                        th scope="row" { (span.name(part)) }
                        @for (column, value) in COLUMNS.iter().zip(values) { td.num data-th=(column) { (value) } }
                    }
                }
            }
        }
    }
}

fn latency(span: Span, parts: &[Minute], total: &Minute) -> Markup {
    let of = |part: &Minute| Latency::of(part);
    let all = of(total);
    let Some((p50, p99)) = all.p50_ms.zip(all.p99_ms) else {
        return html! { p.sub { "Nothing was delivered in this time." } };
    };
    let (p50, p99) = (millis(in_millis(p50)), millis(in_millis(p99)));
    let said: Vec<String> = parts
        .iter()
        .map(|part| match of(part) {
            Latency { p50_ms: Some(p50), p99_ms: Some(p99) } => {
                format!("{}: p50 {}, p99 {}", span.name(part), millis(in_millis(p50)), millis(in_millis(p99)))
            }
            _ => format!("{}: nothing delivered", span.name(part)),
        })
        .collect();
    let (words, _) = span.words();
    let finding = format!(
        "Latency over the last {words}: half of what was delivered took {p50} at most, 99 % took {p99} at most."
    );
    let p99_line = Line { class: "p99", values: parts.iter().map(|part| of(part).p99_ms).collect(), filled: false };
    let p50_line = Line { class: "p50", values: parts.iter().map(|part| of(part).p50_ms).collect(), filled: false };
    html! {
        div.key {
            (key(&html! { path.p50 d="M0 5h14" {} }, "p50", &p50))
            (key(&html! { path.p99 d="M0 5h14" {} }, "p99", &p99))
        }
        (latencies(&Plot { finding: &finding, moments: &moments(span, parts), said: &said }, &[p99_line, p50_line]))
    }
}

fn accepted(span: Span, parts: &[Minute], total: &Minute) -> Markup {
    let said: Vec<String> = parts
        .iter()
        .map(|part| {
            format!("{}: {} accepted, {} retried", span.name(part), number(part.accepted), number(part.retried))
        })
        .collect();
    let (words, _) = span.words();
    let (accepted, retried) = (number(total.accepted), number(total.retried));
    let finding = format!(
        "Over the last {words}, {accepted} events were accepted, and {retried} attempts were not the first of their delivery."
    );
    #[expect(clippy::cast_precision_loss, reason = "a picture is not exact to the 16th digit")]
    let of = |count: fn(&Minute) -> u64| parts.iter().map(|part| Some(count(part) as f64)).collect();
    let events = Line { class: "edge", values: of(|part| part.accepted), filled: true };
    let again = Line { class: "again", values: of(|part| part.retried), filled: false };
    html! {
        div.key {
            (key(&html! { rect.ok width="14" height="10" rx="2" {} }, "Accepted events", &accepted))
            (key(&html! { path.again d="M0 5h14" {} }, "Retried attempts", &retried))
        }
        (lines(&Plot { finding: &finding, moments: &moments(span, parts), said: &said }, &[events, again]))
    }
}
