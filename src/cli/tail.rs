//! `mythichooks tail`: attempts and status changes as they happen.

use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use serde_json::Value;

use super::{
    client::{ApiClient, Query},
    connection::ConnectionArgs,
    error::CliError,
    list::push,
    output::{Output, Tone, remark},
    sse::{EventStream, StreamEvent},
    table,
};

/// What to follow.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Only deliveries to this endpoint
    #[arg(long, value_name = "EP_ID")]
    endpoint_id: Option<String>,

    /// Only deliveries of this event
    #[arg(long, value_name = "EVT_ID")]
    event_id: Option<String>,

    /// Only this event type
    #[arg(long, value_name = "NAME")]
    r#type: Option<String>,

    /// Only this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// Only deliveries with this status
    #[arg(long, value_name = "STATUS", value_parser = ["pending", "delivered", "failed", "canceled"])]
    status: Option<String>,

    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

/// How often a stream that broke is opened again before we give up: the waits, in seconds.
const REOPEN_AFTER: [u64; 5] = [1, 2, 4, 8, 15];

impl TailArgs {
    /// Follows the stream until `--count` is reached, the server is gone or the user interrupts.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        let client = ApiClient::new(connection)?;
        let query = self.query();
        let mut shown = 0;
        let mut last_id = None;
        let mut broken = None;
        let mut waits = REOPEN_AFTER.iter();
        loop {
            let reader = Reader { output: Output::stdout(), json: connection.json, limit: self.count };
            match reader.follow(&client, &query, &mut last_id, &mut shown).await {
                Ok(End::Reached) => return Ok(()),
                Ok(End::Broken { progress, error }) => {
                    if progress {
                        waits = REOPEN_AFTER.iter();
                    }
                    broken = Some(error);
                }
                // The first failure is the answer; later ones are a server that is being started again.
                Err(error @ CliError::Unreachable { .. }) if broken.is_some() => broken = Some(error),
                Err(error) => return Err(error),
            }
            match (waits.next(), broken.take()) {
                (Some(wait), Some(error)) => {
                    remark(format_args!("{error}; opening the stream again in {wait} s"));
                    broken = Some(error);
                    tokio::time::sleep(Duration::from_secs(*wait)).await;
                }
                (_, Some(error)) => return Err(error),
                (_, None) => return Ok(()),
            }
        }
    }

    fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "endpoint_id", self.endpoint_id.as_ref());
        push(&mut query, "event_id", self.event_id.as_ref());
        push(&mut query, "type", self.r#type.as_ref());
        push(&mut query, "account", self.account.as_ref());
        push(&mut query, "status", self.status.as_ref());
        query
    }
}

enum End {
    /// As many as were asked for.
    Reached,
    /// The stream ended before; `progress` if it had shown something.
    Broken { progress: bool, error: CliError },
}

struct Reader {
    output: Output,
    json: bool,
    limit: Option<u64>,
}

impl Reader {
    async fn follow(
        &self,
        client: &ApiClient,
        query: &Query,
        last_id: &mut Option<String>,
        shown: &mut u64,
    ) -> Result<End, CliError> {
        let mut response = client.stream(&["v1", "stream"], query, last_id.as_deref()).await?;
        let mut stream = EventStream::default();
        let before = *shown;
        loop {
            let broken = |error| Ok(End::Broken { progress: *shown > before, error });
            let chunk = match response.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return broken(client.unreachable(error)),
                None => {
                    return broken(
                        client.unreachable("the server ended the stream; what was missed is in `delivery list`"),
                    );
                }
            };
            let events = stream.feed(&chunk).map_err(|error| client.unreachable(error))?;
            if let Some(id) = stream.last_id() {
                *last_id = Some(id.to_owned());
            }
            for event in events {
                self.show(&event)?;
                *shown += 1;
                if self.limit.is_some_and(|limit| *shown >= limit) {
                    return Ok(End::Reached);
                }
            }
        }
    }

    fn show(&self, event: &StreamEvent) -> Result<(), CliError> {
        if self.json {
            return self.output.json_line(&event.data);
        }
        let data: Value = serde_json::from_str(&event.data).unwrap_or(Value::Null);
        self.output.line(line(self.output, &event.name, &data))
    }
}

/// One line for people: when, which delivery, and its attempt or its change of status.
fn line(output: Output, name: &str, data: &Value) -> String {
    let text = |pointer: &str| data.pointer(pointer).map_or_else(|| "-".to_owned(), table::cell);
    let what = if name == "attempt" {
        let outcome = match data.pointer("/attempt/error/kind") {
            Some(kind) => table::cell(kind),
            None => text("/attempt/response_code"),
        };
        let good = data.pointer("/attempt/response_code").and_then(Value::as_u64).is_some_and(|code| code / 100 == 2);
        let outcome = output.styled(if good { Tone::Good } else { Tone::Bad }, outcome);
        let (number, millis) = (text("/attempt/number"), text("/attempt/duration_ms"));
        format!("attempt {number} ({}): {outcome} in {millis} ms", text("/attempt/trigger"))
    } else {
        let status = text("/status");
        let tone = match status.as_str() {
            "delivered" => Tone::Good,
            "failed" => Tone::Bad,
            _ => Tone::Waiting,
        };
        output.styled(tone, status)
    };
    let (at, delivery, endpoint) = (text("/at"), text("/delivery_id"), text("/endpoint_id"));
    format!("{at}  {delivery}  {endpoint}  {:26}  {what}", text("/type"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_for_people() {
        let mut data = json!({
            "at": "T", "delivery_id": "dlv_1", "endpoint_id": "ep_1", "type": "a.b", "status": "pending",
            "attempt": {"number": 2, "trigger": "manual", "duration_ms": 7, "response_code": 503, "error": null},
        });
        let head = format!("T  dlv_1  ep_1  {:26}", "a.b");
        let output = Output::piped();
        assert_eq!(line(output, "attempt", &data), format!("{head}  attempt 2 (manual): 503 in 7 ms"));
        data["attempt"]["error"] = json!({"kind": "timeout", "message": "m"});
        assert_eq!(line(output, "attempt", &data), format!("{head}  attempt 2 (manual): timeout in 7 ms"));
        assert_eq!(line(output, "delivery", &data), format!("{head}  pending"));
        assert_eq!(line(output, "delivery", &Value::Null), format!("-  -  -  {:26}  -", "-"));
    }
}
