//! The arguments of `mythichooks endpoint`.

use std::path::PathBuf;

use clap::Args;

use super::settings::SettingsArgs;
use crate::cli::{
    list::{Moment, PageArgs},
    resource_name::ResourceName,
};
use crate::domain::duration::HumanDuration;

/// An endpoint to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Where the events go
    #[arg(long, value_name = "URL")]
    pub url: String,

    /// What it subscribes to: names, `batch.*` or `*`; separated by commas, or repeated
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    pub event_types: Vec<String>,

    /// The account that it belongs to [default: the token's, or `default`]
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Take this signing secret (`whsec_…`) instead of making one: a file, or `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    pub secret_file: Option<PathBuf>,

    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// A change to an endpoint.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    pub endpoint: EndpointArg,

    /// Where the events go
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// What it subscribes to: names, `batch.*` or `*`; separated by commas, or repeated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub event_types: Vec<String>,

    /// Whether it is sent anything
    #[arg(long, value_name = "STATUS", value_parser = ["enabled", "paused", "disabled"])]
    pub status: Option<String>,

    /// Put settings back to the server's defaults; separated by commas, or repeated
    #[arg(
        long,
        value_name = "SETTINGS",
        value_delimiter = ',',
        value_parser = [
            "description",
            "headers",
            "timeout",
            "retry_schedule",
            "max_in_flight",
            "rate_limit",
            "ordered",
            "metadata"
        ]
    )]
    pub reset: Vec<String>,

    #[command(flatten)]
    pub settings: SettingsArgs,
}

/// One endpoint.
#[derive(Debug, Args)]
pub struct EndpointArg {
    /// The endpoint's id
    #[arg(value_name = "EP_ID")]
    pub id: ResourceName,
}

/// Which endpoints to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Of this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// In this state
    #[arg(long, value_name = "STATUS", value_parser = ["enabled", "paused", "disabled"])]
    pub status: Option<String>,

    #[command(flatten)]
    pub pages: PageArgs,
}

/// A rotation.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    pub endpoint: EndpointArg,

    /// How long the old secret goes on signing [default: 24h]
    #[arg(long, value_name = "DURATION")]
    pub overlap: Option<HumanDuration>,

    /// Take this signing secret (`whsec_…`) instead of making one: a file, or `-` for standard input
    #[arg(long, value_name = "FILE|-")]
    pub secret_file: Option<PathBuf>,
}

/// A test.
#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub endpoint: EndpointArg,

    /// Of which event type the example is
    #[arg(long, value_name = "NAME")]
    pub r#type: Option<String>,
}

/// A replay.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub endpoint: EndpointArg,

    /// Events from this time on: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    pub since: Moment,

    /// Events before this time: RFC 3339, or how long ago [default: now]
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,

    /// Those that failed, those that it was never sent, or all
    #[arg(long, value_name = "WHICH", value_parser = ["failed", "missed", "all"])]
    pub select: String,

    /// Only of these event types; separated by commas, or repeated
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub event_types: Vec<String>,
}
