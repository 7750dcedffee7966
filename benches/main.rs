//! The benchmarks: each figure of docs/BENCHMARKS.md measured on the real binary, beside a reference in the same run,
//! so that the result is a ratio and a noisy machine hits both sides.
//!
//! `cargo bench -- --scale usual` runs them all; `--only delivery` one group.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends with a panic")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times far below 2^52"
)]

mod bare;
mod cores;
mod figures;
mod report;
mod rig;
mod scale;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use mythichooks::store::EngineKind;

use scale::Scale;

/// Measures Mythichooks against a bare loop, an engine by itself, or a limit.
#[derive(Parser)]
#[command(name = "benchmarks")]
struct Arguments {
    /// How much is measured: `short` only proves that the benchmarks work, `full` has the documented sizes
    #[arg(long, value_enum, default_value_t = Scale::Usual)]
    scale: Scale,
    /// Only these groups of figures (repeatable)
    #[arg(long, value_name = "FIGURE", value_parser = clap::builder::PossibleValuesParser::new(figures::names()))]
    only: Vec<String>,
    /// The engine of our store; the bare loop is always on sled
    #[arg(long, default_value_t = EngineKind::Sled)]
    engine: EngineKind,
    /// How often each figure is measured [default: 1 for short, 3 otherwise]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Writes the results to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What runs as a process of its own, so that its CPU time and memory can be told apart.
#[derive(Subcommand)]
#[command(disable_help_subcommand = true)]
enum Part {
    #[command(hide = true)]
    Bare {
        #[command(subcommand)]
        part: bare::Part,
    },
}

fn main() {
    let arguments = Arguments::parse();
    rig::raise_file_limit();
    if let Some(Part::Bare { part }) = arguments.part {
        return bare::run(part);
    }
    let rounds = arguments.rounds.unwrap_or(arguments.scale.pick(1, 3, 3));
    let plan = scale::Plan { scale: arguments.scale, engine: arguments.engine, rounds };
    let results = figures::measure(&plan, &arguments.only);
    let report = report::Report::new(&plan, results);
    println!("\n{}", report.markdown());
    if let Some(path) = arguments.json {
        std::fs::write(&path, report.json()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
