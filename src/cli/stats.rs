//! `mythichooks stats`: totals, the queue's depth, and the last minutes.

use clap::Args;
use serde_json::Value;

use super::{
    client::{ApiClient, Query},
    connection::ConnectionArgs,
    error::CliError,
    list::push,
    output::Output,
    table::{self, Column, Table},
};
use crate::domain::duration::HumanDuration;

/// What to show.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// How far back the counts go, 1m to 7d [default: 1h]
    #[arg(long, value_name = "DURATION")]
    window: Option<HumanDuration>,
    /// How much time each of the counts covers, 1m to 24h; needed for a window of more than 24h [default: 1m]
    #[arg(long, value_name = "DURATION")]
    step: Option<HumanDuration>,
}

const FIGURES: &[Column] = &[
    Column::whole("events accepted", "/totals/accepted"),
    Column::whole("deliveries delivered", "/totals/delivered"),
    Column::whole("deliveries failed", "/totals/failed"),
    Column::whole("deliveries pending", "/queue_depth"),
    Column::whole("oldest due at", "/oldest_due_at"),
    Column::whole("attempts", "/totals/attempts"),
    Column::whole("of them retries", "/totals/retried"),
    Column::whole("endpoints enabled", "/endpoints/enabled"),
    Column::whole("endpoints paused", "/endpoints/paused"),
    Column::whole("endpoints disabled", "/endpoints/disabled"),
    Column::whole("window", "/window"),
    Column::whole("step", "/step"),
    Column::whole("latency p50 ms", "/latency/p50_ms"),
    Column::whole("latency p99 ms", "/latency/p99_ms"),
];

const MINUTES: &[Column] = &[
    Column::whole("FROM", "/start"),
    Column::whole("ACCEPTED", "/accepted"),
    Column::whole("DELIVERED", "/delivered"),
    Column::whole("FAILED", "/failed"),
    Column::whole("ATTEMPTS", "/attempts"),
    Column::whole("RETRIES", "/retried"),
    Column::whole("P50 MS", "/latency/p50_ms"),
    Column::whole("P99 MS", "/latency/p99_ms"),
];

impl StatsArgs {
    /// Shows the server's figures.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        let mut query = Query::new();
        push(&mut query, "window", self.window.as_ref());
        push(&mut query, "step", self.step.as_ref());
        let answer = ApiClient::new(connection)?.get(&["v1", "stats"], &query).await?;
        let output = Output::stdout();
        if connection.json {
            return output.document(answer.text());
        }
        let stats = answer.value()?;
        table::write_fields(output, FIGURES, &stats)?;
        let minutes = busy_minutes(&stats);
        if minutes.is_empty() {
            return Ok(());
        }
        table::write_heading(
            output,
            &format!("each {} with work", stats.get("step").and_then(Value::as_str).unwrap_or("1m")),
        )?;
        Table::new(MINUTES).write(output, &minutes)
    }
}

/// The minutes in which something happened, oldest first.
fn busy_minutes(stats: &Value) -> Vec<Value> {
    let counts = ["accepted", "delivered", "failed", "attempts"];
    let busy = |minute: &&Value| counts.iter().any(|name| minute.get(name).and_then(Value::as_u64).unwrap_or(0) > 0);
    let minutes = stats.get("per_minute").and_then(Value::as_array);
    minutes.map(|minutes| minutes.iter().filter(busy).cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn idle_minutes_are_left_out() {
        let minute = |start: &str, attempts: u64| json!({"start": start, "accepted": 0, "attempts": attempts});
        let stats = json!({"per_minute": [minute("a", 0), minute("b", 2), minute("c", 0)]});
        assert_eq!(busy_minutes(&stats), [minute("b", 2)]);
        assert!(busy_minutes(&json!({})).is_empty());
    }
}
