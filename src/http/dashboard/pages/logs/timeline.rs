//! A delivery's attempts in a row: those that were made, the next one, and those that may come.

use maud::{Markup, html};

use super::{
    super::super::{
        components::{clock, clock_seconds, fine_millis, icon, in_words},
        page::Page,
    },
    outcome_in_words,
};
use crate::{
    domain::{
        attempt::{Attempt, Trigger},
        delivery::Delivery,
        endpoint::{Endpoint, EndpointStatus},
        ids::DeliveryId,
        time::Timestamp,
    },
    http::{api::deliveries::ShownDelivery, problem::Problem},
};

/// So many attempts are shown at a time.
const MOST_SHOWN: usize = 25;

/// What comes next for a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it ended, or its endpoint was deleted.
    Nothing,
    /// Its endpoint is paused or disabled: it waits until that changes.
    Held(&'static str),
    /// Its endpoint is ordered, and this earlier delivery is tried next, at this time.
    Behind(DeliveryId, Timestamp),
    /// An attempt is under way.
    UnderWay,
    /// An attempt at this time, on the wall's clock, and those that follow if it fails.
    At(Timestamp, Vec<Timestamp>),
}

impl Next {
    /// Of a delivery.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of(page: &Page, delivery: &Delivery, endpoint: Option<&Endpoint>) -> Result<Self, Problem> {
        let (Some(next), Some(endpoint)) = (delivery.next, endpoint) else { return Ok(Self::Nothing) };
        if page.api().registry().is_sending(delivery) {
            return Ok(Self::UnderWay);
        }
        let by_hand = matches!(next.trigger, Trigger::Test | Trigger::Rotation);
        match endpoint.status {
            EndpointStatus::Paused if !by_hand => return Ok(Self::Held("paused")),
            EndpointStatus::Disabled { .. } if !by_hand => return Ok(Self::Held("disabled")),
            _ => {}
        }
        if endpoint.ordered && !by_hand {
            let id = endpoint.id;
            let first = page.api().store().read(move |store| store.next_attempts(&[id], 1)).await?;
            if let Some((_, due)) = first.first().filter(|(_, due)| due.delivery < delivery.id) {
                return Ok(Self::Behind(due.delivery, page.api().clock().wall_at(due.at)));
            }
        }
        // A fresh one has been due since it was made.
        let at = if delivery.is_fresh() { delivery.created_at } else { page.api().clock().wall_at(next.at) };
        let schedule = page.api().registry().defaults().effective(endpoint).retry_schedule;
        let made = usize::try_from(delivery.scheduled_made).unwrap_or(usize::MAX);
        let waits = if delivery.test { &[] } else { schedule.waits().get(made..).unwrap_or(&[]) };
        let then = waits.iter().scan(at.max(page.now()), |at, wait| {
            *at = at.plus(wait.get());
            Some(*at)
        });
        Ok(Self::At(at, then.collect()))
    }
}

/// The attempts, the chosen one marked.
pub fn timeline(page: &Page, shown: &ShownDelivery, chosen: Option<u32>, next: &Next) -> Markup {
    let attempts = &shown.attempts;
    let place = |number: u32| format!("/logs/{}?attempt={number}#attempt", shown.delivery.id);
    let (first, end) = window(attempts, chosen);
    let earlier = first.checked_sub(1).and_then(|index| attempts.get(index));
    let later = attempts.get(end);
    let made = shown.delivery.attempts_made;
    html! {
        @if let Some(earlier) = earlier { p.sub { a href=(place(earlier.number)) { "Earlier attempts" } } }
        ol.tl {
            @for attempt in attempts.iter().take(end).skip(first) {
                li.fail[!attempt.succeeded()].done[attempt.succeeded()] {
                    (icon(if attempt.succeeded() { "ok" } else { "fail" }))
                    div {
                        div.when {
                            a href=(place(attempt.number)) aria-current=[(Some(attempt.number) == chosen).then_some("true")] {
                                "Attempt " (attempt.number)
                            }
                            (clock_seconds(page.now(), attempt.started_at))
                        }
                        div.sub.when {
                            span.said { (outcome_in_words(attempt)) (trigger_in_words(attempt.trigger)) }
                            span.nb { (fine_millis(attempt.outcome.duration)) }
                        }
                    }
                }
            }
            @if later.is_none() { (to_come(page, made, next)) }
        }
        @if let Some(later) = attempts.get((end + MOST_SHOWN).min(attempts.len()).saturating_sub(1)).filter(|_| later.is_some()) {
            p.sub { a href=(place(later.number)) { "Later attempts" } }
        }
    }
}

fn to_come(page: &Page, made: u32, next: &Next) -> Markup {
    html! {
        @match next {
            Next::Nothing => {}
            Next::UnderWay => li.next {
                (icon("send"))
                div { strong { "Attempt " (made + 1) } div.sub { "under way" } }
            }
            Next::Held(why) => li.next {
                (icon("pause"))
                div { strong { "Attempt " (made + 1) } div.sub { "held while its endpoint is " (why) } }
            }
            Next::Behind(..) => li.next {
                (icon("wait"))
                div { strong { "Attempt " (made + 1) } div.sub { "after an earlier delivery" } }
            }
            Next::At(at, then) => {
                li.next {
                    (icon("wait"))
                    div {
                        div.when { strong { "Attempt " (made + 1) } (clock(page.now(), *at)) }
                        div.sub { (in_words(page.now(), *at)) @if then.is_empty() { ", the last" } }
                    }
                }
                @for (number, at) in (made + 2..).zip(then) {
                    li.then {
                        (icon("later"))
                        div.when {
                            span { "Attempt " (number) @if at == then.last().unwrap_or(at) { ", the last" } @else { ", if " (number - 1) " fails" } }
                            (clock(page.now(), *at))
                        }
                    }
                }
            }
        }
    }
}

/// Which of many attempts are shown: the newest, or some around the chosen one.
fn window(attempts: &[Attempt], chosen: Option<u32>) -> (usize, usize) {
    let chosen = chosen.and_then(|number| attempts.iter().position(|attempt| attempt.number == number));
    let newest = attempts.len().saturating_sub(MOST_SHOWN);
    match chosen {
        Some(index) if index < newest => {
            let first = (index + 1).saturating_sub(MOST_SHOWN);
            (first, first + MOST_SHOWN)
        }
        _ => (newest, attempts.len()),
    }
}

/// Why it was made, where that is not the schedule.
fn trigger_in_words(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "",
        Trigger::Manual => ", by hand",
        Trigger::Replay => ", replayed",
        Trigger::Test => ", a test",
        Trigger::Rotation => ", under the newer secret",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Outcome;

    #[test]
    fn of_many_attempts_those_around_the_chosen_one_are_shown() {
        let outcome = std::sync::Arc::new(Outcome {
            duration: std::time::Duration::ZERO,
            timing: crate::domain::attempt::Timing::default(),
            remote_addr: None,
            response: None,
            error: None,
        });
        let attempt = |number| Attempt {
            number,
            trigger: Trigger::Manual,
            started_at: Timestamp::EPOCH,
            outcome: outcome.clone(),
        };
        let attempts: Vec<_> = (11..=110).map(attempt).collect();
        assert_eq!(window(&attempts, None), (75, 100));
        assert_eq!(window(&attempts, Some(100)), (75, 100));
        assert_eq!(window(&attempts, Some(85)), (50, 75));
        assert_eq!(window(&attempts, Some(12)), (0, 25));
        assert_eq!(window(&attempts[..3], Some(11)), (0, 3));
    }
}
