//! The `mythichooks` binary: the library's command line, and nothing else.

use std::process::ExitCode;

// The system's allocator took a quarter of the CPU under load: docs/perf.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mythichooks::cli::run()
}
