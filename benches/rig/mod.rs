//! What the figures share: the server under test, the load generator, the receiver, filled stores.

pub mod filled;
pub mod load;
pub mod payload;
pub mod process;
pub mod receiver;
pub mod server;
mod wire;

/// Thousands of connections are held open; the soft limit of many systems is for programs that use `select`.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        eprintln!("the limit of open files could not be raised: {error}");
    }
}
