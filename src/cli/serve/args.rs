//! The flags of `serve`; each is also `MYTHICHOOKS_…` in the environment.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use ipnet::IpNet;

use super::{
    super::{data_dir::default_data_dir, listen::is_address},
    logging::LogLevel,
    open_files::Shares,
};
use crate::{
    actors,
    domain::{byte_size::ByteSize, duration::HumanDuration, endpoint::EndpointDefaults, schedule::RetrySchedule},
    http::{Accent, PlatformName, PublicUrl},
    outbound,
    store::{self, EngineKind},
};

/// How log lines look.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mythichooks serve
  mythichooks serve --data-dir /var/lib/mythichooks --listen 0.0.0.0:8420 --tls-cert cert.pem --tls-key key.pem
  mythichooks serve --allow-http --allow-network 10.0.0.0/8 --retry-schedule 10s,1m,10m")]
pub struct ServeArgs {
    /// Where the store is kept [default: systemd's state directory, else ./mythichooks-data]
    #[arg(long, env = "MYTHICHOOKS_DATA_DIR", value_name = "DIR", default_value_os_t = default_data_dir(), hide_default_value = true)]
    pub(super) data_dir: PathBuf,
    /// Where to listen: ADDRESS:PORT or unix:PATH
    #[arg(long, env = "MYTHICHOOKS_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8420", value_parser = listen_address)]
    pub(super) listen: String,
    /// Write the address that is listened on to this file, once it is (of use with port 0)
    #[arg(long, env = "MYTHICHOOKS_LISTEN_FILE", value_name = "FILE")]
    pub(super) listen_file: Option<PathBuf>,
    /// A file with the first admin token [default: systemd's credential `admin-token`, else made at the first start]
    #[arg(long, env = "MYTHICHOOKS_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// The waits between the starts of attempts; `none` for a single attempt
    #[arg(long, env = "MYTHICHOOKS_RETRY_SCHEDULE", value_name = "WAITS", default_value_t = RetrySchedule::default())]
    retry_schedule: RetrySchedule,
    /// How long an attempt may take in all
    #[arg(long, env = "MYTHICHOOKS_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = request_timeout)]
    pub(super) request_timeout: HumanDuration,
    /// Attempts under way to one endpoint, unless it says otherwise
    #[arg(long, env = "MYTHICHOOKS_MAX_IN_FLIGHT", value_name = "NUMBER", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    max_in_flight: u16,
    /// Attempts under way in all; every endpoint may have one all the same
    #[arg(long, env = "MYTHICHOOKS_MAX_ATTEMPTS", value_name = "NUMBER", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_attempts: u32,
    /// Allow requests to addresses of this range, which are refused otherwise (repeatable)
    #[arg(long, env = "MYTHICHOOKS_ALLOW_NETWORK", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    allow_network: Vec<IpNet>,
    /// Allow endpoints with plain HTTP
    #[arg(long, env = "MYTHICHOOKS_ALLOW_HTTP", value_parser = BoolishValueParser::new())]
    pub(super) allow_http: bool,
    /// Trust this CA too, beside the system's (PEM)
    #[arg(long, env = "MYTHICHOOKS_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// How much of an answer's body is kept for the log
    #[arg(long, env = "MYTHICHOOKS_RESPONSE_BODY_LIMIT", value_name = "SIZE", default_value = "4KiB", value_parser = response_body_limit)]
    response_body_limit: ByteSize,
    /// How long completed deliveries stay in the log
    #[arg(long, env = "MYTHICHOOKS_RETENTION", value_name = "DURATION", default_value = "30d")]
    retention: HumanDuration,
    /// The largest size of the store on disk; near it the oldest completed events are pruned early, at it events are
    /// refused [default: none]
    #[arg(long, env = "MYTHICHOOKS_MAX_STORE_SIZE", value_name = "SIZE", value_parser = max_store_size)]
    max_store_size: Option<ByteSize>,
    /// Refuse events while less than this is free on the disk [default: 32MiB; an eighth of a small file system]
    #[arg(long, env = "MYTHICHOOKS_MIN_FREE_DISK", value_name = "SIZE", value_parser = min_free_disk)]
    min_free_disk: Option<ByteSize>,
    /// The largest `data.object` that is accepted
    #[arg(long, env = "MYTHICHOOKS_MAX_EVENT_SIZE", value_name = "SIZE", default_value = "1MiB", value_parser = max_event_size)]
    pub(super) max_event_size: ByteSize,
    /// Serve the API over TLS with this certificate chain (PEM)
    #[arg(long, env = "MYTHICHOOKS_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, env = "MYTHICHOOKS_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Where browsers find the server, if not at its own address, as behind a proxy: for portal links and cookies
    #[arg(long, env = "MYTHICHOOKS_PUBLIC_URL", value_name = "URL")]
    pub(super) public_url: Option<PublicUrl>,
    /// The platform's name, in place of ours, in the dashboard as customers see it
    #[arg(long, env = "MYTHICHOOKS_PORTAL_NAME", value_name = "NAME")]
    pub(super) portal_name: Option<PlatformName>,
    /// The platform's logo there: SVG, PNG, JPEG or WebP, 64 KiB at most
    #[arg(long, env = "MYTHICHOOKS_PORTAL_LOGO", value_name = "FILE")]
    pub(super) portal_logo: Option<PathBuf>,
    /// The colour of links there, like `#4f46e5`; dark enough to be read on white
    #[arg(long, env = "MYTHICHOOKS_PORTAL_ACCENT", value_name = "COLOR")]
    pub(super) portal_accent: Option<Accent>,
    /// Threads that answer API requests [default: one a core]
    #[arg(long, env = "MYTHICHOOKS_WORKERS", value_name = "NUMBER", default_value_t = cores(), hide_default_value = true, value_parser = threads)]
    pub(super) workers: usize,
    /// Threads that deliver [default: one a core]
    #[arg(long, env = "MYTHICHOOKS_DELIVERY_THREADS", value_name = "NUMBER", default_value_t = cores(), hide_default_value = true, value_parser = threads)]
    delivery_threads: usize,
    /// The engine that keeps the store: sled or redb; a store on another one is refused [default: the one that it is
    /// on; sled for a new store]
    #[arg(long, env = "MYTHICHOOKS_ENGINE", value_name = "ENGINE")]
    engine: Option<EngineKind>,
    /// Memory for the store's cache
    #[arg(long, env = "MYTHICHOOKS_CACHE_SIZE", value_name = "SIZE", default_value = "64MiB")]
    cache_size: ByteSize,
    /// How log lines look
    #[arg(long, env = "MYTHICHOOKS_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace or off, also by module (`info,mythichooks::store=debug`)
    #[arg(long, env = "MYTHICHOOKS_LOG_LEVEL", value_name = "LEVEL", default_value = "info,actix_server=warn")]
    pub(super) log_level: LogLevel,
}

impl ServeArgs {
    pub(super) fn outbound_settings(&self) -> outbound::Settings {
        outbound::Settings {
            allow_networks: self.allow_network.clone(),
            allow_http: self.allow_http,
            extra_ca: self.ca_file.clone(),
            response_body_limit: usize::try_from(self.response_body_limit.bytes()).unwrap_or(usize::MAX),
        }
    }

    /// How many serve and deliver.
    pub(super) fn threads(&self) -> usize {
        self.workers + self.delivery_threads
    }

    pub(super) fn actor_settings(&self, shares: Shares) -> actors::Settings {
        let asked = usize::try_from(self.max_attempts).unwrap_or(usize::MAX);
        if asked > shares.attempts {
            let allowed = shares.attempts;
            tracing::warn!(asked, allowed, "the limit of open files allows for fewer attempts under way");
        }
        actors::Settings {
            defaults: EndpointDefaults {
                timeout: self.request_timeout,
                retry_schedule: self.retry_schedule.clone(),
                max_in_flight: self.max_in_flight,
            },
            retention: self.retention.get(),
            threads: self.delivery_threads,
            capacity: asked.min(shares.attempts),
            capacity_in_all: shares.attempts_in_all,
        }
    }

    pub(super) fn store_options(&self) -> store::Options {
        store::Options {
            engine: self.engine,
            cache: self.cache_size.bytes(),
            free_space_floor: self.min_free_disk.map(ByteSize::bytes),
            max_store_size: self.max_store_size.map(ByteSize::bytes),
            ..store::Options::default()
        }
    }

    /// The file that holds the first admin token, if one is given.
    pub(super) fn admin_token_source(&self) -> Option<PathBuf> {
        let credential = || {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY")?;
            Some(PathBuf::from(directory).join("admin-token")).filter(|path| path.exists())
        };
        self.admin_token_file.clone().or_else(credential)
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|threads| (1..=256).contains(threads)).ok_or_else(|| "must be 1 to 256".to_owned())
}

/// Whether the address can be listened on is seen later; here it only has to be one.
fn listen_address(text: &str) -> Result<String, String> {
    let is_path = text.strip_prefix("unix:").is_some_and(|path| !path.is_empty());
    if is_path || is_address(text) { Ok(text.to_owned()) } else { Err("must be ADDRESS:PORT or unix:PATH".to_owned()) }
}

fn network(text: &str) -> Result<IpNet, String> {
    let is_host = text.parse::<std::net::IpAddr>().is_ok();
    let without_length =
        || format!("must be ADDRESS/LENGTH, as in {text}/{}", if text.contains(':') { 128 } else { 32 });
    let malformed = "must be an IP address, `/` and the number of its leading bits, 0 to 32, or 0 to 128 for IPv6";
    text.parse().map_err(|_| if is_host { without_length() } else { malformed.to_owned() })
}

fn request_timeout(text: &str) -> Result<HumanDuration, String> {
    let timeout: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    let allowed = HumanDuration::from_millis(100)..=HumanDuration::from_secs(300);
    if allowed.contains(&timeout) { Ok(timeout) } else { Err("must be 100ms to 5m".to_owned()) }
}

fn response_body_limit(text: &str) -> Result<ByteSize, String> {
    size_up_to(text, 64 << 10)
}

fn max_event_size(text: &str) -> Result<ByteSize, String> {
    size_up_to(text, 64 << 20)
}

/// The least is for the files of an empty store, and for a quota to have parts.
fn max_store_size(text: &str) -> Result<ByteSize, String> {
    size_from(text, 16 << 20)
}

fn min_free_disk(text: &str) -> Result<ByteSize, String> {
    size_from(text, 4 << 20)
}

fn size_from(text: &str, least: u64) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
    if size.bytes() >= least { Ok(size) } else { Err(format!("must be at least {}", ByteSize::from_bytes(least))) }
}

fn size_up_to(text: &str, most: u64) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
    if size.bytes() <= most { Ok(size) } else { Err(format!("must be at most {}", ByteSize::from_bytes(most))) }
}
