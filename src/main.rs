//! The `mythichooks` binary: the library's command line, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    mythichooks::cli::run()
}
