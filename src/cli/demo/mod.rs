//! `mythichooks demo`: the whole job in one command, on a scratch store that is gone afterwards. Nothing is staged:
//! the server is this very binary in a process of its own, and everything goes through its API.

mod audience;
mod scratch;
mod server;
mod signals;
mod story;

use std::{process::ExitStatus, time::Duration};

use clap::Args;

use self::{scratch::ScratchDir, server::DemoServer, signals::EndSignals, story::Story};
use super::{
    error::CliError,
    output::{Output, Tone, remark},
};

/// How to show it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mythichooks demo
  mythichooks demo --port 8420
  mythichooks demo --once && echo everything was delivered and verified

It needs no network, no root and no other service, and leaves nothing behind.")]
pub struct DemoArgs {
    /// End when everything is delivered and verified, instead of keeping the server for a look around; fail if it is not
    #[arg(long)]
    once: bool,

    /// The server's port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

impl DemoArgs {
    /// Tells the story, then waits for Ctrl-C unless it is shown `--once`.
    pub async fn run(self) -> Result<(), CliError> {
        let output = Output::stdout();
        let mut signals = EndSignals::listen()?;
        let scratch = ScratchDir::create()?;
        let mut server = DemoServer::spawn(&scratch, self.port)?;
        let shown = self.show(output, &scratch, &mut server, &mut signals).await;
        if shown.as_ref().is_err_and(|error| !error.is_closed_pipe()) {
            show_log(&scratch);
        }
        let ended = server.end().await;
        drop(scratch);
        shown?;
        check_end(ended?)?;
        output.line("\nThe server has ended and its store is removed.")
    }

    async fn show(
        &self,
        output: Output,
        scratch: &ScratchDir,
        server: &mut DemoServer,
        signals: &mut EndSignals,
    ) -> Result<(), CliError> {
        output.line(output.styled(Tone::Heading, "Mythichooks: from a producer's POST to a verified delivery"))?;
        let telling = async {
            let address = server.ready(scratch).await?;
            let mut story = Story::begin(output, scratch, &address).await?;
            story.go_through().await?;
            Ok::<_, CliError>((story, address))
        };
        let (mut story, address) = tokio::select! {
            biased;
            () = signals.received() => return Err(CliError::Failed("interrupted before the end".to_owned())),
            told = telling => told?,
        };
        if self.once {
            return Ok(());
        }
        story.invite(scratch, &address)?;
        tokio::select! {
            () = signals.received() => Ok(()),
            error = story.go_on() => Err(error),
            error = server.died() => Err(error),
        }
    }
}

/// The end of the server's log, for whoever has to find out why it went wrong.
fn show_log(scratch: &ScratchDir) {
    const LINES: usize = 20;
    let log = std::fs::read_to_string(scratch.server_log()).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    if lines.is_empty() {
        return;
    }
    remark("the end of the server's log:");
    for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
        remark(format_args!("  {}", super::printable::printable(line)));
    }
}

fn check_end(status: ExitStatus) -> Result<(), CliError> {
    if status.success() { Ok(()) } else { Err(CliError::Failed(format!("the server ended badly: {status}"))) }
}

/// Asks again and again, with a pause, until there is an answer or the time is over.
async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>, CliError>,
) -> Result<T, CliError> {
    const PAUSE: Duration = Duration::from_millis(25);
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(limit, asking)
        .await
        .map_err(|_| CliError::Failed(format!("{what}: not within {} s", limit.as_secs())))?
}
