//! One bare commit plus one bare POST, at a pace: the least that a delivery's latency can be.

use std::{path::Path, time::Duration};

use super::{
    commit::Committer,
    serve::{client, key},
};
use crate::{cores, rig::payload};

/// So many before, that do not count: they open the connection.
const WARM_UP: u64 = 20;

pub fn run(directory: &Path, receiver: &str, per_second: u32, requests: u64) {
    let committer = Committer::start(directory);
    actix_rt::System::new().block_on(async {
        let client = client();
        let start = tokio::time::Instant::now() + Duration::from_millis(20);
        for n in 0..WARM_UP + requests {
            tokio::time::sleep_until(start + Duration::from_secs(n) / per_second).await;
            let body = payload::event(if n < WARM_UP { payload::UNSTAMPED } else { cores::now() });
            committer.commit(key(b'E', n), body.clone().into_bytes()).await;
            let request = client.post(receiver).content_type("application/json");
            let mut answer = request.send_body(body).await.unwrap();
            answer.body().await.unwrap();
        }
    });
}
