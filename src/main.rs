//! The `mythichooks` binary: the library's command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Named failures, from the environment variable FAILPOINTS, in the tests' own build alone.
    #[cfg(feature = "testing")]
    let _failures = fail::FailScenario::setup();
    mythichooks::cli::run()
}
