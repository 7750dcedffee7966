//! `GET /v1/stats`: totals since the store was made, what waits now, and counts by the minute for charts.

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
        problem::Problem,
        text::{DurationText, Text, TimeText},
    },
    store::{LATENCY_BUCKETS, Minute},
};

const DEFAULT_WINDOW: HumanDuration = HumanDuration::from_secs(3_600);

/// The server's figures.
#[derive(Serialize, ToSchema)]
pub struct Stats {
    totals: Totals,
    /// Deliveries that are pending now.
    #[schema(example = 0)]
    queue_depth: u64,
    endpoints: EndpointCounts,
    /// How far back the minutes go.
    window: DurationText,
    /// Durations of successful attempts in the window.
    latency: Latency,
    /// Oldest first; minutes without any work too.
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

/// The counts of one minute.
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
    p50_ms: Option<f64>,
    #[schema(required, example = 180.0)]
    p99_ms: Option<f64>,
}

/// What is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// How far back the minutes go: `1m` to `24h`. `1h`, if left out.
    #[param(inline)]
    window: Option<Window>,
}

type Window = Within<60_000, 86_400_000>;

/// Show statistics
///
/// They are of the whole server: the token must not be bound to an account.
#[utoipa::path(get, path = "/v1/stats", tag = "statistics", operation_id = "getStats", params(StatsQuery),
    responses((status = 200, description = "The figures.", body = Stats)))]
pub async fn get(_: Caller<CanReadServer>, query: Query<StatsQuery>, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let window = query.0.window.map_or(DEFAULT_WINDOW, |Within(window)| window);
    let now = minute_of(api.clock().wall());
    let count = i64::try_from(window.get().as_secs().div_ceil(60)).unwrap_or(1);
    let first = now - count + 1;
    let limit = usize::try_from(count).unwrap_or(1);
    let since = start_of(first);
    let minutes = api.store().read(move |store| store.minutes(since, limit)).await?;
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
        totals: Totals {
            accepted: totals.accepted,
            delivered: totals.delivered,
            failed: totals.failed,
            retried: totals.retried,
            attempts: totals.attempts,
        },
        endpoints,
        window: Text(window),
        latency: Latency::of(&sum(&minutes)),
        per_minute: filled(first, now, minutes).iter().map(MinuteResource::from).collect(),
    }))
}

fn minute_of(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(60)
}

fn start_of(minute: i64) -> Timestamp {
    Timestamp::from_seconds(minute.saturating_mul(60))
}

/// All minutes from `first` to `last`, those without any counts too.
fn filled(first: i64, last: i64, minutes: Vec<Minute>) -> Vec<Minute> {
    let mut known = minutes.into_iter().peekable();
    (first..=last)
        .map(|minute| {
            while known.next_if(|known| known.minute < minute).is_some() {}
            known.next_if(|known| known.minute == minute).unwrap_or_else(|| Minute { minute, ..Minute::default() })
        })
        .collect()
}

fn sum(minutes: &[Minute]) -> Vec<u64> {
    let mut buckets = vec![0_u64; LATENCY_BUCKETS.len() + 1];
    for minute in minutes {
        for (sum, count) in buckets.iter_mut().zip(&minute.latency) {
            *sum = sum.saturating_add(*count);
        }
    }
    buckets
}

impl Latency {
    fn of(buckets: &[u64]) -> Self {
        Self { p50_ms: quantile(buckets, 0.5), p99_ms: quantile(buckets, 0.99) }
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
            latency: Latency::of(&minute.latency),
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
        assert!((10.0..=20.0).contains(&p50), "{p50}");
        let p99 = quantile(&minute.latency, 0.99).unwrap();
        assert!((500.0..=1_000.0).contains(&p99), "{p99}");
        assert_eq!(quantile(&minute.latency, 1.0), Some(60_000.0));
    }

    #[test]
    fn minutes_without_work_are_there() {
        let known = vec![
            Minute { minute: 3, accepted: 1, ..Minute::default() },
            Minute { minute: 5, accepted: 2, ..Minute::default() },
            Minute { minute: 9, accepted: 3, ..Minute::default() },
        ];
        let all = filled(4, 7, known);
        assert_eq!(all.iter().map(|m| (m.minute, m.accepted)).collect::<Vec<_>>(), [(4, 0), (5, 2), (6, 0), (7, 0)]);
    }
}
