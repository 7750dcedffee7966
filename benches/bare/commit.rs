//! Group commit on sled: whatever waits becomes one batch with one `fdatasync`.

use std::{fs::File, path::Path, sync::mpsc};

use tokio::sync::oneshot;

/// A batch takes no more rows.
const MOST: usize = 512;

type Row = (Vec<u8>, Vec<u8>, oneshot::Sender<()>);

/// The way to the writer; cheap to clone.
#[derive(Clone)]
pub struct Committer(mpsc::Sender<Row>);

impl Committer {
    /// A writer on a new database.
    pub fn start(directory: &Path) -> Self {
        let config = sled::Config::new().path(directory).cache_capacity(64 << 20).segment_size(512 << 10);
        let db = config.flush_every_ms(None).open().unwrap();
        let file = File::open(directory.join("db")).unwrap();
        let (sender, receiver) = mpsc::channel::<Row>();
        std::thread::spawn(move || {
            while let Ok(first) = receiver.recv() {
                let mut batch = sled::Batch::default();
                let mut waiting = Vec::new();
                for (key, value, done) in std::iter::once(first).chain(receiver.try_iter()).take(MOST) {
                    batch.insert(key, value);
                    waiting.push(done);
                }
                db.apply_batch(batch).unwrap();
                db.flush().unwrap();
                file.sync_data().unwrap();
                for done in waiting {
                    // Nobody may be waiting any more.
                    let _ = done.send(());
                }
            }
        });
        Self(sender)
    }

    /// Returns when the row is on stable storage.
    pub async fn commit(&self, key: Vec<u8>, value: Vec<u8>) {
        let (done, waiting) = oneshot::channel();
        self.0.send((key, value, done)).unwrap();
        waiting.await.unwrap();
    }
}
