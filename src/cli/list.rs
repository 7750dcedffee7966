//! Lists of the API: the options that every list takes, the filters that several share, and the walk over the pages.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    client::{ApiClient, Query},
    connection::ConnectionArgs,
    error::CliError,
    output::{Output, remark},
    table::{Column, Table},
};
use crate::clock::Clock;
use crate::domain::{duration::HumanDuration, time::Timestamp};

/// The options of every list.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pages")]
pub struct PageArgs {
    /// How many to show, 1 to 500; with --all, how many to ask for at a time [default: 50; with --all 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: Option<u16>,

    /// Go on after an earlier page: its `next_cursor`
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    /// Show all, page after page
    #[arg(long)]
    all: bool,
}

/// A point in time: RFC 3339, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(Timestamp);

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = text.parse() {
            return Ok(Self(time));
        }
        let ago: HumanDuration = text
            .parse()
            .map_err(|_| "must be a time like `2026-01-25T00:00:00Z`, or how long ago, like `2h` or `7d`".to_owned())?;
        Ok(Self(now().minus(ago.get())))
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The time now.
pub fn now() -> Timestamp {
    Clock::start().wall()
}

/// The filters of the lists of events and deliveries that concern time and owner.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct CommonFilters {
    /// Of this event type
    #[arg(long, value_name = "NAME")]
    pub r#type: Option<String>,

    /// Of this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// From this time on: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,

    /// Before this time: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
}

impl CommonFilters {
    /// These filters as query parameters.
    pub fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "type", self.r#type.as_ref());
        push(&mut query, "account", self.account.as_ref());
        push(&mut query, "since", self.since.as_ref());
        push(&mut query, "until", self.until.as_ref());
        query
    }
}

/// Adds a parameter if it has a value.
pub fn push(query: &mut Query, name: &'static str, value: Option<&impl ToString>) {
    if let Some(value) = value {
        query.push((name, value.to_string()));
    }
}

/// The filters of deliveries.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct DeliveryFilters {
    /// With this status
    #[arg(long, value_name = "STATUS", value_parser = ["pending", "delivered", "failed", "canceled"])]
    pub status: Option<String>,

    /// To this endpoint
    #[arg(long, value_name = "EP_ID")]
    pub endpoint_id: Option<String>,

    /// Of this event
    #[arg(long, value_name = "EVT_ID")]
    pub event_id: Option<String>,

    /// Last answered with this status code
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub response_code: Option<u16>,

    #[command(flatten)]
    pub common: CommonFilters,
}

impl DeliveryFilters {
    /// These filters as query parameters.
    pub fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "status", self.status.as_ref());
        push(&mut query, "endpoint_id", self.endpoint_id.as_ref());
        push(&mut query, "event_id", self.event_id.as_ref());
        push(&mut query, "response_code", self.response_code.as_ref());
        query.extend(self.common.query());
        query
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// Shows a list: one page as the options say, or all pages with `--all`, one in memory at a time.
pub async fn show(
    connection: &ConnectionArgs,
    path: &[&str],
    filters: Query,
    pages: &PageArgs,
    columns: &'static [Column],
) -> Result<(), CliError> {
    let client = ApiClient::new(connection)?;
    let output = Output::stdout();
    let mut cursor = pages.cursor.clone();
    let mut table = Table::new(columns);
    let mut shown = 0_usize;
    loop {
        let mut query = filters.clone();
        let limit = pages.limit.or(pages.all.then_some(500));
        push(&mut query, "limit", limit.as_ref());
        push(&mut query, "cursor", cursor.as_ref());
        let answer = client.get(path, &query).await?;
        let page: Page<'_> = answer.parse()?;
        if connection.json && !pages.all {
            return output.document(answer.text());
        }
        if connection.json {
            write_json_part(output, &page, cursor == pages.cursor, shown)?;
        } else {
            table.write(output, &values(&page)?)?;
        }
        shown = shown.saturating_add(page.data.len());
        match next(&page, cursor.as_deref())? {
            Some(next) if pages.all => cursor = Some(next),
            Some(next) => {
                remark(format_args!("{shown} shown, there are more: --all, or --cursor {next}"));
                return Ok(());
            }
            None if connection.json => return output.line("],\"has_more\":false,\"next_cursor\":null}"),
            None => {
                if shown == 0 {
                    remark("none");
                }
                return Ok(());
            }
        }
    }
}

fn values(page: &Page<'_>) -> Result<Vec<Value>, CliError> {
    page.data
        .iter()
        .map(|item| serde_json::from_str(item.get()))
        .collect::<Result<_, _>>()
        .map_err(|error| CliError::Unusable(format!("the server's answer is not what it should be: {error}")))
}

/// The cursor of the next page. A server that keeps giving the same one must not keep us here for ever.
fn next(page: &Page<'_>, cursor: Option<&str>) -> Result<Option<String>, CliError> {
    match &page.next_cursor {
        Some(next) if page.has_more && Some(next.as_str()) == cursor => {
            Err(CliError::Unusable("the server gave the same cursor twice".to_owned()))
        }
        Some(next) if page.has_more => Ok(Some(next.clone())),
        _ => Ok(None),
    }
}

/// All pages make one document of the API's form; each item is as it came.
fn write_json_part(output: Output, page: &Page<'_>, first: bool, before: usize) -> Result<(), CliError> {
    if first {
        output.text("{\"data\":[")?;
    }
    for (index, item) in page.data.iter().enumerate() {
        let separator = if before + index == 0 { "" } else { "," };
        output.text(format_args!("{separator}{}", item.get()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_how_long_ago() {
        assert_eq!("2026-01-25T01:00:00+01:00".parse::<Moment>().unwrap().to_string(), "2026-01-25T00:00:00.000Z");
        let ago: Moment = "2h".parse().unwrap();
        let since = now().since(ago.0).as_secs();
        assert!((7200..7260).contains(&since), "{since}");
        assert!("yesterday".parse::<Moment>().is_err());
    }

    #[test]
    fn a_repeated_cursor_ends_the_walk() {
        let page = |cursor: Option<&str>| Page { data: vec![], has_more: true, next_cursor: cursor.map(str::to_owned) };
        assert_eq!(next(&page(Some("b")), Some("a")).unwrap().as_deref(), Some("b"));
        assert!(next(&page(Some("a")), Some("a")).is_err());
        assert_eq!(next(&page(None), None).unwrap(), None);
    }
}
