//! Group commit, on a thread of its own: take what is asked for, make one batch of it, have it on stable storage with
//! one sync, tell the observer, answer all. There is no other writer.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    StoreError,
    room::Room,
    shared::Shared,
    statistics,
    witness::{Seen, Witness},
    work::Work,
};

/// A batch takes no further request when it has so many rows: the engine holds up readers while it applies one.
const BATCH_ROWS: usize = 400;
/// Nor when it has so many requests.
const BATCH_REQUESTS: usize = 512;

/// So long a batch waits for more requests, when the one before had many: a sync costs the same for few and for many.
const LINGER: Duration = Duration::from_micros(200);
/// What counts as many.
const MANY_REQUESTS: usize = 12;
/// After it was in vain, so many batches do not wait.
const IN_VAIN: u32 = 32;

/// So long after the last commit, if no other came, the witness knows of it, and memory is given back.
const QUIET: Duration = Duration::from_secs(1);

/// So long nothing must have been asked for before unplaced deliveries are given their places.
const PLACING_PAUSE: Duration = Duration::from_millis(20);

/// Tells a request what became of the batch that it was in.
pub type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Makes a change in a batch, or is refused. `None`: it is answered, and what it changed is to be taken back.
pub type Run = Box<dyn FnOnce(Result<&mut Work<'_>, StoreError>) -> Option<Answer> + Send>;

/// A request for a change.
pub struct Request {
    /// Makes the change.
    pub run: Run,
    /// What it is like.
    pub kind: RequestKind,
    /// Its place in the queue.
    pub place: OwnedSemaphorePermit,
}

/// How a request is treated.
#[derive(Debug, Clone, Copy)]
pub struct RequestKind {
    /// Waits for a place in a full queue, instead of being refused.
    pub waits: bool,
    /// Is refused when the disk is nearly full or the store over its quota; the others go on.
    pub grows: bool,
    /// Walks ranges, and must see all earlier requests in the engine: has a batch to itself.
    pub alone: bool,
}

/// What is sent to the writer.
pub enum Message {
    /// A request.
    Request(Request),
    /// End after what came before this.
    Close,
}

/// The writer.
pub struct Writer {
    /// What is shared with readers.
    pub shared: Arc<Shared>,
    /// What is asked for.
    pub messages: mpsc::Receiver<Message>,
    /// Is told how far the store has come; one that lies in no directory has none.
    pub witness: RefCell<Option<Witness>>,
    /// In which second it was told last.
    pub witnessed: Cell<i64>,
    /// What is done when memory and disk may differ.
    pub last_resort: LastResort,
}

/// Ends whoever may no longer go on, for the reason that it is given.
pub type LastResort = fn(&str) -> !;

impl Writer {
    /// Works until it is told to close.
    pub fn run(self) {
        // A panic here is a bug that leaves memory and disk in doubt: as bad as a failed sync.
        if catch_unwind(AssertUnwindSafe(|| self.work())).is_err() {
            (self.last_resort)("the writer panicked");
        }
    }

    fn work(&self) {
        let mut next = None;
        let mut closing = false;
        let mut linger = Linger::default();
        while !closing {
            while self.shared.unplaced.are_many() && self.place_some() {}
            let first = match next.take() {
                Some(request) => request,
                None => match self.receive() {
                    Some(Message::Request(request)) => request,
                    Some(Message::Close) | None => break,
                },
            };
            if first.kind.alone {
                while self.place_some() {}
            }
            let shared = Arc::clone(&self.shared);
            let mut work = Work::new(&shared);
            let mut answers = Vec::new();
            let mut room = shared.watch.room(&*shared.engine);
            let alone = first.kind.alone;
            take(first, room, &mut work, &mut answers);
            linger.begin();
            while !alone && work.len() < BATCH_ROWS && answers.len() < BATCH_REQUESTS {
                match linger.receive(&self.messages, answers.len()) {
                    Ok(Message::Request(request)) if request.kind.alone => {
                        next = Some(request);
                        break;
                    }
                    Ok(Message::Request(request)) => {
                        if room < Room::Enough {
                            room = shared.watch.room(&*shared.engine);
                        }
                        take(request, room, &mut work, &mut answers);
                    }
                    Ok(Message::Close) => {
                        closing = true;
                        break;
                    }
                    Err(_) => break,
                }
            }
            linger.end(answers.len());
            let result = self.commit(work, false);
            for answer in answers {
                answer(result.clone());
            }
            self.shared.engine.tidy();
        }
        if let Err(error) = self.commit(Work::new(&self.shared), true) {
            tracing::warn!(%error, "the last minute's counts were not written");
        }
        self.tell_witness();
        if let Some(witness) = &*self.witness.borrow() {
            witness.sync();
        }
    }

    /// The next message; while none comes, deliveries are given their places, the witness is told what it does not know yet,
    /// and what waits in memory for long is let go. `None`: no more will come.
    fn receive(&self) -> Option<Message> {
        let mut until_placing = Some(PLACING_PAUSE);
        loop {
            let placing = until_placing.filter(|_| !self.shared.unplaced.is_empty());
            match self.messages.recv_timeout(placing.unwrap_or(QUIET)) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if placing.is_some() => {
                    // Where there is no room for them now, it is tried again later.
                    until_placing = self.place_some().then_some(Duration::ZERO);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => self.tell_witness(),
            }
            until_placing = Some(PLACING_PAUSE);
            if self.shared.recent.age(self.shared.clock.wall()) && self.shared.unplaced.is_empty() {
                return self.messages.recv().ok();
            }
        }
    }

    /// Writes some deliveries into their queues. Whether that was done.
    fn place_some(&self) -> bool {
        fail::fail_point!("store::place", |_| false);
        let shared = &self.shared;
        let Some(part) = shared.unplaced.next_part() else { return false };
        let mut work = Work::new(shared);
        part.write(&mut work);
        let written = self.commit(work, false);
        match &written {
            Ok(()) => shared.unplaced.placed(&part),
            Err(error) => tracing::debug!(%error, "deliveries were not written into their queues, and will be later"),
        }
        shared.engine.tidy();
        written.is_ok()
    }

    /// What was committed is on stable storage before this is called.
    fn tell_witness(&self) {
        let seen = Seen::of(&self.shared.view().meta);
        if let Some(witness) = &mut *self.witness.borrow_mut()
            && witness.is_behind(&seen)
        {
            witness.write(seen);
        }
    }

    fn commit(&self, mut work: Work, closing: bool) -> Result<(), StoreError> {
        let shared = &self.shared;
        let now = shared.clock.wall();
        let minutes = shared.statistics().to_write(now, closing);
        let traffic = shared.traffic().write(&mut work, now, closing)?;
        let Some(batch) = work.finish(&minutes)? else { return Ok(()) };
        fail::fail_point!("store::commit", |_| Err(StoreError::Failed("an injected failure".to_owned())));
        self.check_room_for(&batch.writes)?;
        // From here on there is no way back. Who finds a row of this batch finds these too.
        shared.unplaced.take(&batch.changes);
        shared.view_mut().take_endpoints(batch.endpoints);
        let committed = catch_unwind(AssertUnwindSafe(|| shared.engine.commit(batch.writes)));
        match committed {
            Ok(Ok(())) => {}
            // What is in memory may now be ahead of what is on the disk, for ever: only a new start is safe.
            Ok(Err(error)) => (self.last_resort)(&error.to_string()),
            Err(_) => (self.last_resort)("the engine panicked in a commit"),
        }
        shared.journal().committed(batch.journal);
        *shared.type_blocks() = batch.type_blocks;
        shared.recent.committed(shared.view().durable, now, &batch.changes, &batch.touched);
        {
            shared.view_mut().committed(batch.meta);
        }
        let second = shared.clock.steady().as_seconds();
        if self.witnessed.replace(second) != second {
            self.tell_witness();
        }
        if !minutes.is_empty() {
            shared.statistics().written(now);
        }
        shared.traffic().written(&traffic, now);
        if !batch.changes.is_empty() {
            statistics::count(shared, &batch.changes);
            shared.watch.taken(&batch.changes);
            shared.traffic().count(now, &batch.changes);
            if let Some(observer) = shared.observer.get()
                && catch_unwind(AssertUnwindSafe(|| observer.committed(&batch.changes))).is_err()
            {
                tracing::error!("the store's observer panicked");
            }
        }
        Ok(())
    }

    /// The engine must never meet a full disk half-way through a batch, so there has to be room before.
    fn check_room_for(&self, writes: &[super::engine::Write]) -> Result<(), StoreError> {
        let bytes: usize = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let needed = self.shared.engine.room_for(number(writes.len()), number(bytes));
        if self.shared.watch.has_room_for(needed) { Ok(()) } else { Err(StoreError::Full) }
    }
}

/// Whether a batch waits for more requests: under load it does, and is larger for it; else nobody waits.
#[derive(Default)]
struct Linger {
    /// How many requests the last batch had.
    last: usize,
    /// So many batches more do not wait.
    pausing: u32,
    /// How many this one had when it began to wait, and until when it does.
    waiting: Option<(usize, Instant)>,
}

impl Linger {
    fn begin(&mut self) {
        self.waiting = None;
        self.pausing = self.pausing.saturating_sub(1);
    }

    /// The next message of a batch that has so many requests; an error: it is to be committed now.
    fn receive(&mut self, messages: &mpsc::Receiver<Message>, requests: usize) -> Result<Message, RecvTimeoutError> {
        if let Ok(message) = messages.try_recv() {
            return Ok(message);
        }
        if self.pausing > 0 || self.last < MANY_REQUESTS {
            return Err(RecvTimeoutError::Timeout);
        }
        let (_, until) = *self.waiting.get_or_insert_with(|| (requests, Instant::now() + LINGER));
        messages.recv_timeout(until.saturating_duration_since(Instant::now()))
    }

    fn end(&mut self, requests: usize) {
        if let Some((before, _)) = self.waiting
            && requests - before < before / 4 + 1
        {
            self.pausing = IN_VAIN;
        }
        self.last = requests;
    }
}

fn take(request: Request, room: Room, work: &mut Work, answers: &mut Vec<Answer>) {
    drop(request.place);
    if let Some(error) = room.refuses(request.kind) {
        (request.run)(Err(error));
        return;
    }
    work.begin();
    match catch_unwind(AssertUnwindSafe(|| (request.run)(Ok(&mut *work)))) {
        Ok(Some(answer)) => answers.push(answer),
        Ok(None) => work.take_back(),
        Err(_) => {
            tracing::error!("a request to the store panicked");
            work.take_back();
        }
    }
}

/// Ends the process: the last resort of a server.
pub fn end_process(reason: &str) -> ! {
    tracing::error!(reason, "the store failed, the server ends at once; what was acknowledged is safe");
    std::process::exit(1)
}

/// Ends the writer's thread alone: the last resort of a simulation, whose other threads go on to look at what is left.
#[cfg(any(test, feature = "testing"))]
pub fn end_writer(reason: &str) -> ! {
    // Not a panic of the hook's kind: what is simulated is a process that is gone.
    std::panic::resume_unwind(Box::new(reason.to_owned()))
}
