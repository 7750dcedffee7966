//! What the modules share: a server under test, an API client, receivers in the test and in Python, a movable clock.

pub mod api;
pub mod authority;
pub mod browser;
pub mod clock;
pub mod disk;
pub mod flask;
pub mod raw;
pub mod receiver;
pub mod routes;
pub mod server;
pub mod sign;
pub mod stream;
pub mod wait;

pub use api::{Answer, Api};
pub use browser::Browser;
pub use receiver::{Behaviour, Receiver, Recorded, Reply};
pub use server::Server;
pub use wait::{eventually, until};
