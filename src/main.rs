//! The `mythichooks` binary: the library's command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The tests' build strikes where `FAILPOINTS` says, until the process ends.
    #[cfg(feature = "testing")]
    let _failpoints = fail::FailScenario::setup();
    mythichooks::cli::run()
}
