//! One attempt in full: where its time went, and what was answered.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    super::super::{
        components::{clock_seconds, copy_button, cut, fine_millis},
        page::Page,
    },
    code_in_words,
};
use crate::domain::attempt::{Attempt, Response, Timing};

/// So much of an answer's body is shown, counted as it stands in the page.
const MOST_BODY: usize = 9_000;
/// So much of a header's value.
const MOST_VALUE: usize = 300;
/// The picture's width, in its own units.
const WIDTH: u64 = 1_000;

/// The attempt's section.
pub fn section(page: &Page, attempt: &Attempt) -> Markup {
    let outcome = &attempt.outcome;
    html! {
        section.sec #attempt aria-labelledby="attempt-title" {
            div.sec-h {
                h2 #attempt-title { "Attempt " (attempt.number) }
                span.sub {
                    (clock_seconds(page.now(), attempt.started_at))
                    @if let Some(address) = outcome.remote_addr { ", to " span.mono { (address) } }
                }
            }
            (timing(&outcome.timing, outcome.duration))
            @if let Some(error) = &outcome.error {
                p.gap { strong { "Error: " } (error.message) " " span.sub { (error.kind.as_str()) } }
            }
            @if let Some(response) = &outcome.response { (answer(response)) }
        }
    }
}

fn parts(timing: &Timing) -> [(&'static str, &'static str, Option<Duration>); 5] {
    [
        ("a", "Look-up", timing.dns),
        ("b", "Connect", timing.connect),
        ("c", "TLS", timing.tls),
        ("d", "First byte", timing.first_byte),
        ("e", "Body", timing.body),
    ]
}

fn timing(timing: &Timing, whole: Duration) -> Markup {
    let parts = parts(timing);
    let longest = parts.iter().filter_map(|(.., took)| *took).max();
    let most = parts.iter().find(|(.., took)| took.is_some() && *took == longest);
    let finding = match most {
        Some((_, word, Some(took))) => {
            format!("{} in all, of which {} for: {word}.", fine_millis(whole), fine_millis(*took))
        }
        _ => format!("{} in all.", fine_millis(whole)),
    };
    html! {
        h3.vh { "Where the time went" }
        svg.split viewBox={ "0 0 " (WIDTH) " 12" } preserveAspectRatio="none" role="img" aria-label=(finding) {
            rect.rest x="0" y="0" width=(WIDTH) height="12" { title { (fine_millis(whole)) " in all" } }
            @for (class, word, took, (x, width)) in placed(&parts, whole) {
                rect class=(class) x=(x) y="0" width=(width) height="12" { title { (word) ": " (fine_millis(took)) } }
            }
        }
        dl.tim {
            @for (class, word, took) in parts {
                div {
                    dt { svg viewBox="0 0 8 8" aria-hidden="true" { rect class=(class) width="8" height="8" rx="2" {} } (word) }
                    dd { @match took { Some(took) => (fine_millis(took)), None => span.sub { "none" } } }
                }
            }
            div.all { dt { "Total" } dd { (fine_millis(whole)) } }
        }
    }
}

type Placed = (&'static str, &'static str, Duration, (u64, u64));

/// The parts that there were, one behind the other; each can be seen, however short it was.
fn placed(parts: &[(&'static str, &'static str, Option<Duration>)], whole: Duration) -> Vec<Placed> {
    const GAP: u64 = 2;
    const LEAST: u64 = 4;
    let sum: Duration = parts.iter().filter_map(|(.., took)| *took).sum();
    let all = whole.max(sum).as_nanos().max(1);
    let share = |took: Duration| u64::try_from(took.as_nanos() * u128::from(WIDTH) / all).unwrap_or(WIDTH);
    let there: Vec<_> = parts.iter().filter_map(|(class, word, took)| took.map(|took| (*class, *word, took))).collect();
    let mut left = 0;
    let mut still = there.len() as u64;
    there
        .into_iter()
        .map(|(class, word, took)| {
            still -= 1;
            // Those that follow need a place too.
            let room = WIDTH.saturating_sub(left + still * (LEAST + GAP));
            let width = share(took).max(LEAST).min(room);
            let at = left;
            left += width + GAP;
            (class, word, took, (at, width))
        })
        .collect()
}

fn answer(response: &Response) -> Markup {
    let body = String::from_utf8_lossy(&response.body);
    let shown = cut(&body, MOST_BODY);
    let kind = response.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| &**value);
    html! {
        div.blk {
            div.blk-h {
                h3 {
                    "Response " span.sub {
                        (code_in_words(response.code))
                        @if let Some(kind) = kind { ", " (cut(kind, 100)) }
                        ", " (response.body.len()) @if response.truncated { " bytes kept of more" } @else { " bytes" }
                    }
                }
                @if !body.is_empty() { (copy_button("response")) }
            }
            @if body.is_empty() { p.sub { "It had no body." } }
            @else { pre.code.fold #response tabindex="0" aria-label="Response body" { (shown) } }
            @if shown.len() < body.len() { p.sub.gap { "This is its beginning; the API gives all that was kept." } }
            @if !response.headers.is_empty() {
                details.more {
                    summary { "Response headers, " (response.headers.len()) }
                    div.gap { (headers("response-headers", response.headers.iter().map(|(name, value)| (&**name, &**value)))) }
                }
            }
        }
    }
}

/// Headers as names and values, with a copy of them for the clipboard.
pub fn headers<'a>(id: &str, all: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        dl.hdrs id=(id) {
            @for (name, value) in all {
                dt { (name) ":" }
                dd { @let shown = cut(value, MOST_VALUE); (shown) @if shown.len() < value.len() { " " span.sub { "… " (value.len()) " bytes" } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place_in_the_picture() {
        let of = |millis: [Option<u64>; 5], whole| {
            let took = millis.map(|m| m.map(Duration::from_millis));
            let timing = Timing { dns: took[0], connect: took[1], tls: took[2], first_byte: took[3], body: took[4] };
            placed(&parts(&timing), Duration::from_millis(whole))
        };
        let all = of([Some(4), Some(21), Some(48), Some(1_163), Some(4)], 1_240);
        assert_eq!(all.len(), 5);
        for two in all.windows(2) {
            assert!(two[0].3.0 + two[0].3.1 < two[1].3.0, "{all:?}");
        }
        assert!(all.iter().all(|(.., (x, width))| x + width <= WIDTH && *width >= 4), "{all:?}");
        assert!(all[3].3.1 > 900, "{all:?}");
        let zero = of([None, None, None, Some(0), None], 0);
        assert_eq!(zero[0].3, (0, 4));
        assert!(of([None; 5], 30_000).is_empty());
    }
}
