//! `mythichooks serve`: the one place where the floors are wired together, from the store up to the listener, and the
//! order in which they start and come to rest.

mod args;
mod listener;
mod logging;
mod open_files;
mod signals;

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
    time::Duration,
};

use actix_web::dev::ServerHandle;

pub use self::args::ServeArgs;
use self::open_files::Shares;
use crate::{
    actors::{Actors, ActorsError},
    clock::Clock,
    http::{self, Api, LoadError, Logo, Phase, PortalLook, TokenText, TokenTextError},
    outbound,
    store::{OpenError, Store, StoreError, make_directory},
};

/// Attempts under way get this long at the most when the server stops (contract, section 5).
const LONGEST_GRACE: Duration = Duration::from_secs(30);

/// Why the server did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A flag or a file that it names.
    #[error("{0}")]
    Settings(String),
    /// The store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store, once open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The admin token's file.
    #[error("the admin token's file {path}: {source}")]
    TokenFile {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What is in it.
    #[error("the admin token: {0}")]
    Token(#[from] TokenTextError),
    /// The catalog or the tokens.
    #[error(transparent)]
    Api(#[from] LoadError),
    /// Certificates.
    #[error(transparent)]
    Outbound(#[from] outbound::TlsError),
    /// The actors.
    #[error(transparent)]
    Actors(#[from] ActorsError),
    /// The address to listen on, and TLS.
    #[error(transparent)]
    Listen(#[from] listener::ListenError),
    /// The runtime.
    #[error("the server failed: {0}")]
    Io(#[from] io::Error),
}

impl ServeError {
    /// Whether the flags make no sense together, so that another start of the same fails as well.
    pub fn is_wrong_usage(&self) -> bool {
        matches!(self, Self::Listen(listener::ListenError::TlsOnUnixSocket))
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// See [`ServeError`].
pub fn run(args: &ServeArgs) -> Result<(), ServeError> {
    logging::start(args.log_format, &args.log_level).map_err(ServeError::Settings)?;
    let system = actix_rt::System::new();
    system.block_on(async { signals::survive_file_limits() })?;
    let shares = open_files::share_out(args.threads());
    let clock = Clock::start();
    let given_token = read_given_token(args)?;
    let portal_logo = read_portal_logo(args)?;
    make_directory(&args.data_dir)?;
    let outbound = Arc::new(outbound::Shared::new(args.outbound_settings())?);
    outbound::warm_up();
    let bound = listener::bind(&args.listen, args.tls_cert.as_deref(), args.tls_key.as_deref())?;
    let store = Store::open(&args.data_dir, args.store_options(), clock.clone())?;
    let prepared = Prepared { given_token, settings: api_settings(args, portal_logo), outbound, bound, shares };
    let served = system.block_on(serve(args, prepared, clock, &store));
    store.close();
    served
}

/// What was found to be usable before anything runs.
struct Prepared {
    given_token: Option<TokenText>,
    settings: http::Settings,
    outbound: Arc<outbound::Shared>,
    bound: listener::Bound,
    shares: Shares,
}

async fn serve(args: &ServeArgs, prepared: Prepared, clock: Clock, store: &Store) -> Result<(), ServeError> {
    let Prepared { given_token, settings, outbound, bound, shares } = prepared;
    let signals = signals::Signals::new()?;
    let actors = Actors::start(store.clone(), clock.clone(), outbound, args.actor_settings(shares))?;
    let served = async {
        let api = Api::load(store.clone(), clock, actors.registry(), actors.live(), settings)?;
        install_admin_token(args, given_token, &api).await?;
        serve_api(args, &actors, &api, (bound, shares), signals).await
    };
    let served = served.await;
    if served.is_err() {
        // They may have begun to send already.
        actors.stop_starting();
        actors.cut_off();
        actors.come_to_rest(Duration::from_secs(1)).await;
    }
    served
}

/// Serves the API until a signal comes.
async fn serve_api(
    args: &ServeArgs,
    actors: &Actors,
    api: &Api,
    (bound, shares): (listener::Bound, Shares),
    mut signals: signals::Signals,
) -> Result<(), ServeError> {
    let listen_file = args.listen_file.clone();
    let (server, address) = listener::start(bound, api, args.workers, shares.api)?;
    if let Some(path) = listen_file {
        write_whole(&path, &address)
            .map_err(|error| ServeError::Settings(format!("--listen-file {}: {error}", path.display())))?;
    }
    let handle = server.handle();
    let server = actix_rt::spawn(server);
    api.lifecycle().enter(Phase::Ready);
    notify_service_manager(sd_notify::NotifyState::Ready);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, data_dir = %args.data_dir.display(), "ready");

    signals.next().await;
    tracing::info!("stopping: no new work; attempts under way are waited for");
    notify_service_manager(sd_notify::NotifyState::Stopping);
    api.lifecycle().enter(Phase::Stopping);
    stop(actors, &handle, &mut signals, args.request_timeout.get().min(LONGEST_GRACE)).await;
    // It ended by the handle above; how does not matter any more.
    let _ = server.await;
    tracing::info!("stopped");
    Ok(())
}

/// Lets requests and attempts under way end, within the grace; a second signal cuts them off.
async fn stop(actors: &Actors, server: &ServerHandle, signals: &mut signals::Signals, grace: Duration) {
    actors.stop_starting();
    let rest = async {
        tokio::join!(server.stop(true), actors.come_to_rest(grace));
    };
    tokio::select! {
        () = rest => {}
        () = signals.next() => {
            tracing::info!("stopping at once");
            actors.cut_off();
            tokio::join!(server.stop(false), actors.come_to_rest(Duration::from_secs(1)));
        }
    }
}

fn api_settings(args: &ServeArgs, portal_logo: Option<Logo>) -> http::Settings {
    let (name, accent) = (args.portal_name.clone(), args.portal_accent);
    http::Settings {
        portal: PortalLook { name, logo: portal_logo, accent },
        public_url: args.public_url.clone(),
        max_event_size: usize::try_from(args.max_event_size.bytes()).unwrap_or(usize::MAX),
        allow_http: args.allow_http,
    }
}

/// The platform's logo from the flag's file.
fn read_portal_logo(args: &ServeArgs) -> Result<Option<Logo>, ServeError> {
    let Some(path) = &args.portal_logo else { return Ok(None) };
    let failed = |reason: String| ServeError::Settings(format!("--portal-logo {}: {reason}", path.display()));
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    Logo::new(bytes).map(Some).map_err(|error| failed(error.to_string()))
}

/// The first admin's token from the flag's file or systemd's credential. Read before anything is started, so that a
/// file that cannot be used is found while there is nothing to stop yet.
fn read_given_token(args: &ServeArgs) -> Result<Option<TokenText>, ServeError> {
    let Some(path) = args.admin_token_source() else { return Ok(None) };
    let text = fs::read_to_string(&path).map_err(token_file_failed(&path))?;
    Ok(Some(text.trim().parse()?))
}

/// Stores the given token, or makes one at the first start.
async fn install_admin_token(args: &ServeArgs, given: Option<TokenText>, api: &Api) -> Result<(), ServeError> {
    if let Some(token) = given {
        return Ok(api.install_admin_token(&token).await?);
    }
    if !api.has_admin_token() {
        let path = args.data_dir.join("admin-token");
        let token = TokenText::generate()?;
        // The file first: a token that is stored and written nowhere would lock everybody out.
        write_secret(&path, token.expose()).map_err(token_file_failed(&path))?;
        api.install_admin_token(&token).await?;
        tracing::info!(file = %path.display(), "the first admin token was made");
    }
    Ok(())
}

fn token_file_failed(path: &Path) -> impl FnOnce(io::Error) -> ServeError {
    let path = path.display().to_string();
    move |source| ServeError::TokenFile { path, source }
}

/// Writes a file that only its owner may read; one that is there is replaced whole.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let beside = path.with_extension("new");
    // A left-over keeps its own mode, so it is not written into.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // Until its name is on stable storage too, a power cut could leave a token that is stored and written nowhere.
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Writes a file so that a reader finds all of it or nothing.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, format!("{text}\n"))?;
    fs::rename(&beside, path)
}

fn notify_service_manager(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::warn!(%error, "the service manager could not be notified");
    }
}
