//! What a power cut may leave on a disk, and what the store makes of it.
//!
//! `recorder.c` records each change that the server makes to its data directory, with its syncs, while real traffic
//! runs (`workload`). `disk` replays that record up to a cut and tells what is durable by then and what is not; a
//! `survival` decides what of the rest a cut leaves. Each such image is written to a directory and looked at by a
//! process of its own (`checker`), against what clients had been promised by then (`promises`):
//!
//! - **I1** The store opens; before its first promise there may be none yet, and a new one is made.
//! - **I2** Each acknowledged event is there with its body and its deliveries, each acknowledged change of an endpoint
//!   or a later one. What retention may have removed is there whole or not at all.
//! - **I3** Nothing is half there: the full check finds the store sound.
//! - **I4** It can be written to: an event is accepted, and after another opening the store is sound and has it.
//! - **I5** Whoever could sign in still can: a store with a token has the file with the first one beside it.
//!
//! The same is done with the record of an image's own recovery (`recovery`), and the record begins in an empty
//! directory, so that the creation of a store is cut too.
//!
//! What a cut leaves: all that a sync which had returned vouches for, and of what came later any part. Writes survive
//! or not one by one, whole or by sectors of 512 bytes, in any order; a file may have grown without what was written
//! into it. Creations, renames and removals survive up to some point in their order, in each directory for itself,
//! until that directory was synced: syncing a file does not save its name. `sync_file_range` vouches for nothing.
//!
//! Longer, in one command, with a line of the table in `docs/adr/0001-storage-engine.md` from each test:
//!
//! ```text
//! POWER_CUTS_IMAGES=2500 POWER_CUTS_SEED=1 cargo nextest run --profile long --features testing \
//!     --test power_cuts --no-capture
//! ```
//!
//! With `POWER_CUTS_HEAVY=1` as well, requests are batches of up to a thousand events, which fill segments of sled's log;
//! that wants `--cargo-profile release` too, to come to its end in minutes.
//!
//! An image that fails is kept, and its message tells the command that looks at just that one again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test binary a panic is how a test fails, in what the tests share too"
)]

mod campaign;
mod checker;
mod disk;
mod engines;
mod kept;
mod laws;
mod outcome;
mod promises;
mod record;
mod recorder;
mod recovery;
mod rng;
mod scratch;
mod survival;
mod workers;
mod workload;

#[path = "../front_door/support"]
#[allow(dead_code, reason = "another test binary's, of which this one needs a part")]
mod support {
    pub mod api;
    pub mod clock;
    pub mod disk;
    pub mod receiver;
    pub mod server;
    pub mod wait;

    pub use api::Api;
    pub use receiver::Receiver;
    pub use server::Server;
    pub use wait::{eventually, until};
}
