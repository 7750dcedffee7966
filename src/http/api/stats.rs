//! `GET /v1/stats`: totals since the store was made, what waits now, and counts by the minute, or by longer steps, for
//! charts of up to a week.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::endpoint_fields::EndpointState;
use crate::{
    domain::{duration::HumanDuration, time::Timestamp},
    http::{
        Api, answer,
        auth::{Caller, CanReadServer},
        duration_range::Within,
        extract::Query,
        problem::{Kind, Problem},
        text::{DurationText, Text, TimeText},
        waiting,
    },
    store::{LATENCY_BUCKETS, Minute},
};

const DEFAULT_WINDOW: HumanDuration = HumanDuration::from_secs(3_600);
const DEFAULT_STEP: HumanDuration = HumanDuration::from_secs(60);
/// An answer has no more parts than this.
const MOST_PARTS: u64 = 1_440;

/// The server's figures.
#[derive(Serialize, ToSchema)]
pub struct Stats {
    totals: Totals,
    /// Deliveries that are pending now.
    #[schema(example = 0)]
    queue_depth: u64,
    /// Since when the delivery is due that is so for longest; null if none is. What paused and disabled endpoints hold
    /// does not count.
    #[schema(required)]
    oldest_due_at: Option<TimeText>,
    endpoints: EndpointCounts,
    /// How far back the counts go.
    window: DurationText,
    /// How much time each of the counts covers.
    step: DurationText,
    /// Durations of successful attempts in the window.
    latency: Latency,
    /// Oldest first; minutes without any work too. With a `step`, the counts of so much time each; the last one is not
    /// over yet.
    per_minute: Vec<MinuteResource>,
}

/// Counts since the store was made.
#[derive(Serialize, ToSchema)]
pub struct Totals {
    /// Events accepted.
    accepted: u64,
    /// Deliveries that reached `delivered`.
    delivered: u64,
    /// Deliveries that reached `failed`.
    failed: u64,
    /// Attempts that were not the first of their delivery.
    retried: u64,
    /// Attempts in all.
    attempts: u64,
}

/// How many endpoints there are.
#[derive(Default, Serialize, ToSchema)]
pub struct EndpointCounts {
    total: usize,
    enabled: usize,
    paused: usize,
    disabled: usize,
}

/// The counts of one minute, or of one step.
#[derive(Serialize, ToSchema)]
#[schema(as = Minute)]
pub struct MinuteResource {
    /// When it begins.
    start: TimeText,
    /// Events accepted.
    accepted: u64,
    /// Deliveries that reached `delivered`.
    delivered: u64,
    /// Deliveries that reached `failed`.
    failed: u64,
    /// Attempts that were not the first of their delivery.
    retried: u64,
    /// Attempts in all.
    attempts: u64,
    latency: Latency,
}

/// Durations of successful attempts in milliseconds, estimated from counts by bucket; null if there were none.
#[derive(Serialize, ToSchema)]
pub struct Latency {
    #[schema(required, example = 42.0)]
    pub p50_ms: Option<f64>,
    #[schema(required, example = 180.0)]
    pub p99_ms: Option<f64>,
}

/// What is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// How far back the counts go: `1m` to `7d`. `1h`, if left out.
    #[param(inline)]
    window: Option<Window>,
    /// How much time each of the counts covers: whole minutes, `1m` to `24h`. `1m`, if left out. A window has 1,440 steps
    /// at most.
    #[param(inline)]
    step: Option<Step>,
}

type Window = Within<60_000, 604_800_000>;
type Step = Within<60_000, 86_400_000>;

/// Show statistics
///
/// They are of the whole server: the token must not be bound to an account.
#[utoipa::path(get, path = "/v1/stats", tag = "statistics", operation_id = "getStats", params(StatsQuery),
    responses(
        (status = 200, description = "The figures.", body = Stats),
        (status = 422, description = "`step` is no whole number of minutes, or so short that the window has too many."),
    ))]
pub async fn get(
    caller: Caller<CanReadServer>,
    query: Query<StatsQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let window = query.0.window.map_or(DEFAULT_WINDOW, |Within(window)| window);
    let step = query.0.step.map_or(DEFAULT_STEP, |Within(step)| step);
    let minutes = step.get().as_secs() / 60;
    if HumanDuration::from_secs(minutes * 60) != step {
        return Err(Problem::of_parameter(Kind::Unprocessable, "step", "must be a whole number of minutes"));
    }
    let count = window.get().as_secs().div_ceil(60).div_ceil(minutes.max(1));
    if count > MOST_PARTS {
        let detail = format!("the window has {count} of them, more than {MOST_PARTS}");
        return Err(Problem::of_parameter(Kind::Unprocessable, "step", detail));
    }
    let series = series(&api, minutes, count).await?;
    let mut endpoints = EndpointCounts::default();
    for endpoint in api.registry().snapshot().endpoints().values() {
        endpoints.total += 1;
        match EndpointState::from(&endpoint.status) {
            EndpointState::Enabled => endpoints.enabled += 1,
            EndpointState::Paused => endpoints.paused += 1,
            EndpointState::Disabled => endpoints.disabled += 1,
        }
    }
    let totals = api.store().totals();
    Ok(answer::ok(&Stats {
        queue_depth: totals.pending,
        oldest_due_at: waiting::at(&api, &caller, 0).await?.due_since.map(Text),
        totals: Totals {
            accepted: totals.accepted,
            delivered: totals.delivered,
            failed: totals.failed,
            retried: totals.retried,
            attempts: totals.attempts,
        },
        endpoints,
        window: Text(window),
        step: Text(step),
        latency: Latency::of(&sum(&series)),
        per_minute: series.iter().map(MinuteResource::from).collect(),
    }))
}

/// The counts of the last so many steps of so many minutes, oldest first. Steps begin at multiples of their length since
/// 1970, so the last one is not over yet.
///
/// # Errors
/// The store does not answer.
pub async fn series(api: &Api, minutes: u64, count: u64) -> Result<Vec<Minute>, Problem> {
    let now = minute_of(api.clock().wall());
    // Both are small: see the bounds above.
    let [minutes, steps] = [minutes, count].map(|number| i64::try_from(number).unwrap_or(1));
    let first = now - now.rem_euclid(minutes) - (steps - 1) * minutes;
    let count = usize::try_from(count).unwrap_or(1);
    Ok(api.store().read(move |store| store.series(first, minutes, count)).await?)
}

fn minute_of(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(60)
}

/// When a minute begins.
pub fn start_of(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute.saturating_mul(60))
}

/// The counts of all of them together.
pub fn sum(parts: &[Minute]) -> Minute {
    let mut sum = Minute::default();
    for part in parts {
        sum.add(part);
    }
    sum
}

impl Latency {
    /// Of a minute, or of a sum of them.
    pub fn of(minute: &Minute) -> Self {
        Self { p50_ms: quantile(&minute.latency, 0.5), p99_ms: quantile(&minute.latency, 0.99) }
    }
}

/// The value below which this share of the counts lies, straight between the bounds of its bucket.
fn quantile(buckets: &[u64], share: f64) -> Option<f64> {
    // Counts and bounds are far below the 2^53 up to which these conversions are exact.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let float = |count: u64| count as f64;
    let total: u64 = buckets.iter().sum();
    if total == 0 {
        return None;
    }
    let rank = share * float(total);
    let mut below = 0.0;
    let mut lower = 0.0;
    for (index, count) in buckets.iter().enumerate() {
        // The last bucket has no upper bound; its lower one is all that is known.
        let Some(upper) = LATENCY_BUCKETS.get(index).map(|bound| float(*bound)) else { break };
        let here = float(*count);
        if here > 0.0 && below + here >= rank {
            let estimate: f64 = lower + (upper - lower) * (rank - below) / here;
            return Some((estimate * 10.0).round() / 10.0);
        }
        below += here;
        lower = upper;
    }
    Some(lower)
}

impl From<&Minute> for MinuteResource {
    fn from(minute: &Minute) -> Self {
        Self {
            start: Text(start_of(minute.minute)),
            accepted: minute.accepted,
            delivered: minute.delivered,
            failed: minute.failed,
            retried: minute.retried,
            attempts: minute.attempts,
            latency: Latency::of(minute),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn quantiles_lie_in_their_bucket() {
        let mut minute = Minute::default();
        assert_eq!(quantile(&minute.latency, 0.5), None);
        for _ in 0..98 {
            minute.count_latency(Duration::from_millis(15));
        }
        minute.count_latency(Duration::from_millis(700));
        minute.count_latency(Duration::from_secs(90));
        let p50 = quantile(&minute.latency, 0.5).unwrap();
        assert!((14.0..=16.0).contains(&p50), "{p50}");
        let p99 = quantile(&minute.latency, 0.99).unwrap();
        assert!((600.0..=700.0).contains(&p99), "{p99}");
        assert_eq!(quantile(&minute.latency, 1.0), Some(60_000.0));
        let mut quick = Minute::default();
        quick.count_latency(Duration::from_micros(2_400));
        let p50 = quantile(&quick.latency, 0.5).unwrap();
        assert!((2.0..=3.0).contains(&p50), "{p50}");
    }

    /// A minute of an earlier release has 17 counts: up to 1, 2, 5, 10, … ms, and the rest.
    #[test]
    fn minutes_with_fewer_buckets_are_added_up_with_others() {
        let mut coarse = vec![0; 17];
        (coarse[4], coarse[10], coarse[16]) = (98, 1, 1);
        let old = Minute { latency: coarse, ..Minute::default() };
        let p50 = |minute: &Minute| quantile(&minute.latency, 0.5).unwrap();
        let mut sum = Minute::default();
        sum.add(&old);
        assert!((18.0..=20.0).contains(&p50(&sum)), "{}", p50(&sum));
        assert_eq!((quantile(&sum.latency, 0.99), sum.taken()), (Some(2_000.0), 100));
        let mut went_on = old.clone();
        went_on.count_latency(Duration::from_millis(20));
        sum.count_latency(Duration::from_millis(20));
        assert_eq!(went_on.latency, sum.latency);
    }
}
