//! The `mythichooks` binary: the library's command line, and nothing else.

use std::process::ExitCode;

// Its `malloc` takes the place of the system's, which took a quarter of the CPU under load (docs/perf). Not as Rust's own
// allocator: the large zeroed tables that sled asks for would be written to, and so be resident.
use tikv_jemallocator as _;

fn main() -> ExitCode {
    mythichooks::cli::run()
}
