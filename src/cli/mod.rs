//! The command line: the command tree, and what each command's end means for the exit code.
//! One file or folder per command; what several share (client, tables, output) has files of its own.

mod audit_log;
mod backup;
mod client;
mod connection;
mod data_dir;
mod delivery;
mod demo;
mod endpoint;
mod error;
mod event;
mod event_type;
mod json_source;
mod list;
mod listen;
mod migrate;
mod output;
mod printable;
mod problem;
mod progress;
mod receiver;
mod repair;
mod resource;
mod resource_name;
mod restore;
mod serve;
mod sse;
mod stats;
mod table;
mod tail;
mod token;
mod verify;

use std::{future::Future, io::Write as _, process::ExitCode};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind, parser::ValueSource};

use self::{
    audit_log::AuditLogArgs,
    backup::BackupArgs,
    connection::{CONNECTION_ARGS, ConnectionArgs},
    delivery::DeliveryCommand,
    demo::DemoArgs,
    endpoint::EndpointCommand,
    error::CliError,
    event::EventCommand,
    event_type::EventTypeCommand,
    listen::ListenArgs,
    migrate::MigrateArgs,
    repair::RepairArgs,
    restore::RestoreArgs,
    serve::ServeArgs,
    stats::StatsArgs,
    tail::TailArgs,
    token::TokenCommand,
    verify::VerifyArgs,
};

/// A webhook server in one binary: signed, durable, retried deliveries with no database beside it
#[derive(Debug, Parser)]
#[command(
    name = "mythichooks",
    version,
    propagate_version = true,
    after_help = "Examples:
  mythichooks demo                       see the whole job done in under a minute
  mythichooks serve --data-dir ./data    run the server
  mythichooks event send batch.completed --example
  mythichooks delivery list --status failed

Exit codes: 0 done, 1 failed, 2 wrong usage."
)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// Check a stopped server's store, or a backup
    Verify(VerifyArgs),
    /// Move a stopped server's store to another engine
    Migrate(MigrateArgs),
    /// Make a new store of what is whole in a damaged one
    Repair(RepairArgs),
    /// Make a store of a backup
    Restore(RestoreArgs),
    /// See the whole job done: a scratch store, a server, a receiver, events, retries
    Demo(DemoArgs),
    /// A receiver for people who build one: verifies, prints, and fails or is slow on purpose
    Listen(ListenArgs),
    /// Send events and look at them
    Event(Client<EventCommand>),
    /// Make, change, test and replay endpoints, and rotate their secrets
    Endpoint(Client<EndpointCommand>),
    /// Look at deliveries and their attempts, retry and cancel them
    Delivery(Client<DeliveryCommand>),
    /// The catalog of event types
    EventType(Client<EventTypeCommand>),
    /// Make, list and revoke API tokens
    Token(Client<TokenCommand>),
    /// Take a copy of a running server's store, whole and consistent
    #[command(after_help = "Examples:
  mythichooks backup /backup/mythichooks.backup
  mythichooks backup - | ssh safe 'cat > mythichooks.backup'

All of it is checked as it comes. If anything is wrong, there is no FILE and the exit code is 1. The copy is not
encrypted: it holds signing secrets and payloads, and FILE is readable by its owner alone.")]
    Backup(ClientLeaf<BackupArgs>),
    /// Who changed what, newest first
    #[command(after_help = "Example:
  mythichooks audit-log --action endpoint.updated --since 24h")]
    AuditLog(ClientLeaf<AuditLogArgs>),
    /// Totals, the queue's depth and the last minutes
    #[command(after_help = "Example:
  mythichooks stats --json")]
    Stats(ClientLeaf<StatsArgs>),
    /// Follow attempts and status changes as they happen
    #[command(after_help = "Examples:
  mythichooks tail --type batch.failed
  mythichooks tail --json | jq .status")]
    Tail(ClientLeaf<TailArgs>),
}

/// A client command with commands of its own.
#[derive(Debug, Args)]
struct Client<C: Subcommand> {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: C,
}

/// A client command without commands of its own.
#[derive(Debug, Args)]
struct ClientLeaf<A: Args> {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    args: A,
}

/// The client commands: they take the connection's options before and after their own name.
const CLIENT_COMMANDS: [&str; 9] =
    ["event", "endpoint", "delivery", "event-type", "token", "backup", "audit-log", "stats", "tail"];

/// The command tree. The options of the connection stand at the top and at every client command, where they are
/// global, so that clap carries the values down; the other commands do not have them.
fn command_tree() -> clap::Command {
    CLIENT_COMMANDS.into_iter().fold(Cli::command(), |tree, name| {
        tree.mut_subcommand(name, |command| {
            command.mut_args(|arg| {
                let shared = CONNECTION_ARGS.contains(&arg.get_id().as_str());
                arg.global(shared)
            })
        })
    })
}

/// Reads the arguments.
fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Command, clap::Error> {
    let matches = command_tree().try_get_matches_from(args)?;
    if let Some(name) = matches.subcommand_name().filter(|name| !CLIENT_COMMANDS.contains(name)) {
        let given = |id: &&&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        if let Some(id) = CONNECTION_ARGS.iter().find(given) {
            let message =
                format!("--{} is no option of `{name}`; see `mythichooks {name} --help`", id.replace('_', "-"));
            return Err(command_tree().error(ErrorKind::UnknownArgument, message));
        }
    }
    Cli::from_arg_matches(&matches).map(|cli| cli.command)
}

/// Runs the command that the process was started with, to its end.
pub fn run() -> ExitCode {
    let command = match parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Help that nobody reads is no failure, and an error that cannot be shown still has its code.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    // Named failures from the environment variable FAILPOINTS, for as long as the process runs. Set up here alone: a
    // second time would wait for the first to end.
    #[cfg(feature = "testing")]
    std::mem::forget(fail::FailScenario::setup());
    match execute(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mythichooks: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn execute(command: Command) -> Result<(), CliError> {
    match command {
        Command::Serve(args) => Ok(serve::run(&args)?),
        Command::Verify(args) => args.run(),
        Command::Migrate(args) => args.run(),
        Command::Repair(args) => args.run(),
        Command::Restore(args) => args.run(),
        Command::Demo(args) => block_on(args.run()),
        Command::Listen(args) => block_on(args.run()),
        Command::Event(client) => block_on(client.command.run(&client.connection)),
        Command::Endpoint(client) => block_on(client.command.run(&client.connection)),
        Command::Delivery(client) => block_on(client.command.run(&client.connection)),
        Command::EventType(client) => block_on(client.command.run(&client.connection)),
        Command::Token(client) => block_on(client.command.run(&client.connection)),
        Command::Backup(client) => block_on(client.args.run(&client.connection)),
        Command::AuditLog(client) => block_on(client.args.run(&client.connection)),
        Command::Stats(client) => block_on(client.args.run(&client.connection)),
        Command::Tail(client) => block_on(client.args.run(&client.connection)),
    }
}

/// Runs a command's future on a runtime of this thread.
fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    actix_rt::System::new().block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, clap::Error> {
        parse(std::iter::once("mythichooks").chain(args.iter().copied()).map(Into::into))
    }

    fn connection(command: &Command) -> &ConnectionArgs {
        match command {
            Command::Event(client) => &client.connection,
            Command::Stats(client) => &client.connection,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_tree_is_sound() {
        command_tree().debug_assert();
    }

    #[test]
    fn the_options_of_the_connection_go_before_and_after_a_client_command() {
        for args in [
            &["--server", "unix:a", "--json", "event", "list"][..],
            &["event", "--server", "unix:a", "--json", "list"],
            &["event", "list", "--server", "unix:a", "--json"],
            &["--server", "unix:a", "stats", "--json"],
        ] {
            let command = parsed(args).unwrap();
            assert_eq!(connection(&command).server.to_string(), "unix:a", "{args:?}");
            assert!(connection(&command).json, "{args:?}");
        }
    }

    #[test]
    fn an_event_is_either_given_or_the_example() {
        assert!(parsed(&["event", "send", "a.b", "--data", "{}"]).is_ok());
        assert!(parsed(&["event", "send", "--type", "a.b", "--object", "{}"]).is_ok());
        assert!(parsed(&["event", "send", "a.b", "--example"]).is_ok());
        for wrong in [
            &["event", "send", "a.b"][..],
            &["event", "send", "--example"],
            &["event", "send", "a.b", "--type", "c.d", "--example"],
            &["event", "send", "a.b", "--example", "--data", "{}"],
        ] {
            assert_eq!(parsed(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_made_a_request() {
        for wrong in [&["endpoint", "get", ".."][..], &["delivery", "get", ""], &["event-type", "get", "."]] {
            assert_eq!(parsed(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
        }
    }

    #[test]
    fn every_command_has_help_and_the_ones_that_do_something_an_example() {
        fn check(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path}");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
            }
            if command.get_subcommands().next().is_none() {
                assert!(command.get_after_help().is_some(), "{path}");
            }
            for sub in command.get_subcommands() {
                check(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        check(&command_tree(), "mythichooks");
    }

    #[test]
    fn help_is_no_failure() {
        assert_eq!(parsed(&["event", "send", "--help"]).unwrap_err().exit_code(), 0);
        assert_eq!(parsed(&["--version"]).unwrap_err().exit_code(), 0);
        assert_eq!(parsed(&["nonsense"]).unwrap_err().exit_code(), 2);
    }
}
