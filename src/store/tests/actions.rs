//! What the property tests do to a store, drawn at random. Numbers pick from what there is at that time.

use proptest::{collection::vec, option, prelude::*, sample::Index};

use crate::store::engine::memory::Fault;

/// One step.
#[derive(Debug, Clone)]
pub enum Action {
    PutEndpoint {
        account: usize,
    },
    /// Several posts at the same time, which share batches.
    Accept(Vec<Vec<Post>>),
    /// First turns, several at the same time.
    SettleFresh(Vec<(Index, Answer)>),
    SettleDue(Index, Answer),
    /// An attempt that was under way while something else happened.
    SettleLate(Index, Answer),
    Retry(Vec<Index>),
    Replay(Vec<Index>),
    Cancel(Index),
    CatchUp(Index),
    DeleteEndpoint(Index),
    Prune(Index),
    Reopen,
    /// The process dies, and another one opens what it left.
    Crash {
        seed: u64,
    },
    /// The batch of a post fails, and the process dies of it.
    Fault {
        fault: Fault,
        post: Vec<Post>,
        seed: u64,
    },
}

/// One event of a post.
#[derive(Debug, Clone)]
pub struct Post {
    pub account: usize,
    pub event_type: usize,
    pub id: Option<usize>,
    pub idempotency: Option<usize>,
    pub created: Option<i64>,
    pub object: usize,
    pub test: bool,
}

/// What a receiver does.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Code(u16, usize),
    RetryAfter(u64),
    RefusedOldSecret,
    None,
    Interrupted,
}

/// What is listed.
#[derive(Debug, Clone)]
pub struct Listing {
    pub status: Option<usize>,
    pub endpoint: Option<Index>,
    pub event: Option<Index>,
    pub event_type: Option<usize>,
    pub account: Option<usize>,
    pub code: Option<usize>,
    pub since: Option<Index>,
    pub until: Option<Index>,
    pub limit: usize,
}

pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    vec(action(), 1..60)
}

pub fn listings() -> impl Strategy<Value = Vec<Listing>> {
    vec(listing(), 12)
}

fn action() -> impl Strategy<Value = Action> {
    let index = any::<Index>;
    let fault = prop::sample::select(vec![Fault::BeforeApplying, Fault::BeforeSyncing, Fault::AfterSyncing]);
    prop_oneof![
        2 => (0..3usize).prop_map(|account| Action::PutEndpoint { account }),
        8 => vec(vec(post(), 1..4), 1..4).prop_map(Action::Accept),
        8 => vec((index(), answer()), 1..6).prop_map(Action::SettleFresh),
        8 => (index(), answer()).prop_map(|(pick, answer)| Action::SettleDue(pick, answer)),
        2 => (index(), answer()).prop_map(|(pick, answer)| Action::SettleLate(pick, answer)),
        2 => vec(index(), 1..4).prop_map(Action::Retry),
        2 => vec(index(), 1..4).prop_map(Action::Replay),
        2 => index().prop_map(Action::Cancel),
        1 => index().prop_map(Action::CatchUp),
        1 => index().prop_map(Action::DeleteEndpoint),
        1 => index().prop_map(Action::Prune),
        1 => Just(Action::Reopen),
        1 => any::<u64>().prop_map(|seed| Action::Crash { seed }),
        1 => (fault, vec(post(), 1..4), any::<u64>())
            .prop_map(|(fault, post, seed)| Action::Fault { fault, post, seed }),
    ]
}

fn post() -> impl Strategy<Value = Post> {
    let ids = (option::weighted(0.3, 0..8usize), option::weighted(0.2, 0..6usize));
    let content = (option::weighted(0.2, 0..2i64), 0..4usize, prop::bool::weighted(0.1));
    (0..3usize, 0..3usize, ids, content).prop_map(
        |(account, event_type, (id, idempotency), (created, object, test))| Post {
            account,
            event_type,
            id: id.filter(|_| !test),
            idempotency,
            created,
            object,
            test,
        },
    )
}

fn answer() -> impl Strategy<Value = Answer> {
    let code = prop_oneof![4 => Just(200), 1 => Just(204), 2 => Just(500), 1 => Just(404), 1 => Just(410)];
    let size = prop_oneof![4 => 0..100usize, 1 => 5_000..20_000usize];
    prop_oneof![
        8 => (code, size).prop_map(|(code, size)| Answer::Code(code, size)),
        1 => (0..100_000u64).prop_map(Answer::RetryAfter),
        1 => Just(Answer::RefusedOldSecret),
        1 => Just(Answer::None),
        1 => Just(Answer::Interrupted),
    ]
}

fn listing() -> impl Strategy<Value = Listing> {
    let by = (
        option::weighted(0.4, 0..4usize),
        option::weighted(0.3, any::<Index>()),
        option::weighted(0.1, any::<Index>()),
        option::weighted(0.2, 0..3usize),
        option::weighted(0.3, 0..3usize),
        option::weighted(0.3, 0..4usize),
    );
    let span = (option::weighted(0.2, any::<Index>()), option::weighted(0.2, any::<Index>()));
    (by, span, 1..8usize).prop_map(|((status, endpoint, event, event_type, account, code), (since, until), limit)| {
        Listing { status, endpoint, event, event_type, account, code, since, until, limit }
    })
}
