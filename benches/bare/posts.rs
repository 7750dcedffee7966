//! Many POSTs at once over kept connections, on every core: the least that a fan-out can take.

use std::{
    rc::Rc,
    sync::{Arc, Barrier},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};

use super::serve::client;
use crate::{cores, rig::payload};

/// Under way at a time on each core.
const UNDER_WAY: usize = 32;

pub fn run(receiver: &str, posts: usize, times: usize) {
    let threads = cores::count();
    let barrier = Arc::new(Barrier::new(threads + 1));
    let senders: Vec<_> = (0..threads)
        .map(|thread| {
            let (barrier, receiver) = (Arc::clone(&barrier), receiver.to_owned());
            let share = posts / threads + usize::from(thread < posts % threads);
            std::thread::spawn(move || send(&barrier, &receiver, share, times))
        })
        .collect();
    for _ in 0..times {
        barrier.wait();
        let start = Instant::now();
        barrier.wait();
        println!("{}", start.elapsed().as_secs_f64());
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

fn send(barrier: &Barrier, receiver: &str, share: usize, times: usize) {
    actix_rt::System::new().block_on(async {
        let client = Rc::new(client());
        for _ in 0..times {
            barrier.wait();
            let body = payload::event(payload::UNSTAMPED);
            let all = stream::iter(0..share).for_each_concurrent(UNDER_WAY, |_| {
                let (client, body) = (Rc::clone(&client), body.clone());
                async move {
                    let request = client.post(receiver).content_type("application/json");
                    request.send_body(body).await.unwrap().body().await.unwrap();
                }
            });
            all.await;
            barrier.wait();
            // The threads that are done early let go of their cores.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
