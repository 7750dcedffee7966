//! The demo's server: `mythichooks serve` as a child process, started, watched and ended.

use std::{
    env,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{scratch::ScratchDir, until};
use crate::cli::{
    client::{ApiClient, Query},
    connection::ServerAddress,
    error::CliError,
};

/// The schedule of the demo, in which a retry is a matter of seconds.
pub const RETRY_SCHEDULE: &str = "1s,2s,3s,5s";

/// Time for a start on a slow machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Time for an end; the attempts under way go to our own receiver, which is quick.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A server that does not outlive this value.
#[derive(Debug)]
pub struct DemoServer {
    child: Child,
}

impl DemoServer {
    /// Starts this binary as the server.
    pub fn spawn(scratch: &ScratchDir, port: u16) -> Result<Self, CliError> {
        let log = File::create(scratch.server_log()).map_err(|error| CliError::file(scratch.server_log(), error))?;
        let failed = |error| CliError::system("cannot start the server", error);
        let mut command = Command::new(env::current_exe().map_err(failed)?);
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(scratch.data_dir())
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--listen-file")
            .arg(scratch.listen_file())
            .args(["--allow-http", "--allow-network", "127.0.0.0/8", "--retry-schedule", RETRY_SCHEDULE])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            // Ctrl-C is for the demo, which then ends the server in good order.
            .process_group(0);
        for (name, _) in env::vars_os() {
            // The settings of a real server are not for this one.
            let ours = name.to_string_lossy().starts_with("MYTHICHOOKS_");
            if ours || ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"].iter().any(|known| name == *known)
            {
                command.env_remove(name);
            }
        }
        Ok(Self { child: command.spawn().map_err(failed)? })
    }

    /// Waits until it is ready, and gives its address.
    pub async fn ready(&mut self, scratch: &ScratchDir) -> Result<ServerAddress, CliError> {
        let address = until("the server did not start", START_LIMIT, async || {
            self.check_alive()?;
            // The address is there once its line is.
            let text = fs::read_to_string(scratch.listen_file()).unwrap_or_default();
            text.strip_suffix('\n')
                .map(|address| format!("http://{address}").parse().map_err(CliError::Unusable))
                .transpose()
        })
        .await?;
        let client = ApiClient::with_token(&address, None, None)?;
        until("the server did not get ready", START_LIMIT, async || {
            self.check_alive()?;
            Ok(client.get(&["readyz"], &Query::new()).await.ok())
        })
        .await?;
        Ok(address)
    }

    fn check_alive(&mut self) -> Result<(), CliError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(CliError::Failed(format!("the server ended by itself: {status}"))),
            Err(error) => Err(CliError::system("the server", error)),
        }
    }

    /// Returns when the server has ended by itself.
    pub async fn died(&mut self) -> CliError {
        loop {
            if let Err(error) = self.check_alive() {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Ends it in good order, or by force if that takes too long.
    pub async fn end(mut self) -> Result<ExitStatus, CliError> {
        let failed = |error| CliError::system("cannot end the server", error);
        if let Some(status) = self.child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM).map_err(|error| failed(error.into()))?;
        until("the server did not end", END_LIMIT, async || self.child.try_wait().map_err(failed)).await
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Both fail only if it has ended meanwhile, which is what is wanted.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
