//! Sorted streams of ids, newest first, and how they are joined: the lists' filters become streams of index rows,
//! `all of` leaps from one to the next that both have, `any of` merges. Each look at a row is counted, so that a page
//! is bounded however little it finds.

use std::{cell::Cell, collections::BinaryHeap, ops::Range};

use super::{
    Page, StoreError,
    engine::{Entries, Order},
    keys::{self, Prefix, kind},
    reading,
    shared::Shared,
    type_blocks,
};
use crate::domain::{event_type::EventTypeName, ids::EventKey};

/// How many rows a page may still look at.
#[derive(Debug)]
pub struct Budget(Cell<usize>);

impl Budget {
    /// So many.
    pub fn new(rows: usize) -> Self {
        Self(Cell::new(rows))
    }

    /// Whether they are used up.
    pub fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    /// Counts one.
    pub fn spend(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// What a look into a stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// An id.
    Found(u128),
    /// There are no more.
    End,
    /// The budget is spent; nothing above this id was left out.
    Spent(u128),
}

/// A stream of ids that fall.
pub enum Stream<'a> {
    /// The ids at the end of the keys of one index.
    Index(Index<'a>),
    /// Those that all of these have; at least one.
    AllOf(Vec<Stream<'a>>),
    /// Those that any of these has.
    AnyOf(AnyOf<'a>),
    /// All ids of a range.
    Consecutive(Range<u128>),
    /// These, which ascend.
    Listed(Vec<u128>),
    /// The deliveries that were made with events, by the events' records.
    OfEvents(OfEvents<'a>),
    /// All that there may be in the blocks that hold something of a type: to be joined with an index.
    OfType(OfType<'a>),
}

impl<'a> Stream<'a> {
    /// The greatest id that is not above `bound`. Bounds must not rise from call to call.
    pub fn at_or_below(&mut self, bound: u128) -> Result<Look, StoreError> {
        match self {
            Self::Index(index) => index.at_or_below(bound),
            Self::AllOf(streams) => all_at_or_below(streams, bound),
            Self::AnyOf(any) => any.at_or_below(bound),
            Self::OfType(of_type) => of_type.at_or_below(bound),
            Self::OfEvents(of_events) => of_events.at_or_below(bound),
            Self::Consecutive(ids) => Ok(within(ids, bound)),
            Self::Listed(ids) => {
                ids.truncate(ids.partition_point(|id| *id <= bound));
                Ok(ids.last().map_or(Look::End, |id| Look::Found(*id)))
            }
        }
    }

    /// An index's ids within a range.
    pub fn index(shared: &'a Shared, budget: &'a Budget, prefix: Prefix, ids: Range<u128>) -> Self {
        Self::Index(Index::new(shared, budget, prefix, ids))
    }

    /// The deliveries that were made with events, from the least of these ids on.
    pub fn of_events(shared: &'a Shared, budget: &'a Budget, ids: Range<u128>) -> Self {
        // The first of them may belong to an event that lies before.
        let events = Index::new(shared, budget, keys::all_of(kind::EVENT), 0..ids.end);
        Self::OfEvents(OfEvents { events, least: ids.start, of_one: 0..0 })
    }

    /// The ids that may be of a type.
    pub fn of_type(shared: &'a Shared, budget: &'a Budget, name: &EventTypeName) -> Self {
        let blocks = Index::new(shared, budget, keys::of_type(name), 0..u128::MAX);
        Self::OfType(OfType { blocks, block: None })
    }

    /// Those that any of these has.
    pub fn any_of(streams: Vec<Self>) -> Self {
        Self::AnyOf(AnyOf { streams, heads: None })
    }
}

/// A page of what a stream leads to, from `high` down: what `read` makes of an id, unless that is nothing.
pub fn page<T, Id: Copy>(
    stream: &mut Stream,
    budget: &Budget,
    high: u128,
    limit: usize,
    id_of: impl Fn(u128) -> Id,
    read: impl Fn(Id) -> Result<Option<T>, StoreError>,
) -> Result<Page<T, Id>, StoreError> {
    let mut page = Page { items: Vec::new(), next: None };
    let mut last = None;
    let mut bound = high;
    loop {
        let id = match stream.at_or_below(bound)? {
            Look::Found(id) if !budget.is_spent() => id,
            Look::End => return Ok(page),
            // The page goes on below what is above everything that was not looked at.
            Look::Found(from) | Look::Spent(from) => {
                return Ok(Page { next: Some(id_of(from.saturating_add(1))), ..page });
            }
        };
        budget.spend();
        if let Some(item) = read(id_of(id))? {
            if page.items.len() >= limit {
                return Ok(Page { next: last, ..page });
            }
            page.items.push(item);
            last = Some(id_of(id));
        }
        match id.checked_sub(1) {
            Some(below) => bound = below,
            None => return Ok(page),
        }
    }
}

fn all_at_or_below(streams: &mut [Stream], bound: u128) -> Result<Look, StoreError> {
    let mut candidate = bound;
    loop {
        let start = candidate;
        for stream in &mut *streams {
            match stream.at_or_below(candidate)? {
                Look::Found(id) => candidate = id,
                Look::End => return Ok(Look::End),
                // One of them has nothing above the candidate.
                Look::Spent(_) => return Ok(Look::Spent(candidate)),
            }
        }
        // A round in which none of them had to go lower: all have it.
        if candidate == start {
            return Ok(Look::Found(candidate));
        }
    }
}

/// One index.
pub struct Index<'a> {
    shared: &'a Shared,
    budget: &'a Budget,
    prefix: Prefix,
    ids: Range<u128>,
    entries: Option<Entries<'a>>,
    head: Head,
}

#[derive(Clone, Copy)]
enum Head {
    Unread,
    At(u128),
    End,
}

/// A leap over more rows than this is made by a new look-up.
const STEPS: usize = 8;

impl<'a> Index<'a> {
    fn new(shared: &'a Shared, budget: &'a Budget, prefix: Prefix, ids: Range<u128>) -> Self {
        Self { shared, budget, prefix, ids, entries: None, head: Head::Unread }
    }

    fn at_or_below(&mut self, bound: u128) -> Result<Look, StoreError> {
        let mut steps = 0;
        loop {
            match self.head {
                Head::End => return Ok(Look::End),
                Head::At(id) if id <= bound => return Ok(Look::Found(id)),
                _ if self.budget.is_spent() => return Ok(Look::Spent(bound)),
                Head::At(_) if steps < STEPS => steps += 1,
                Head::Unread | Head::At(_) => {
                    let from = keys::with_id(&self.prefix, self.ids.start);
                    // Both ends are exclusive, or the greatest id.
                    let mut to = keys::with_id(&self.prefix, bound.min(self.ids.end));
                    if bound < self.ids.end {
                        to.push(0);
                    }
                    self.entries = Some(self.shared.engine.range(&from, &to, Order::Descending));
                    steps = 0;
                }
            }
            self.budget.spend();
            self.head = match self.entries.as_mut().and_then(Iterator::next) {
                Some(entry) => keys::last_id(&entry?.key).map_or(Head::End, Head::At),
                None => Head::End,
            };
        }
    }
}

/// A type's blocks.
pub struct OfType<'a> {
    blocks: Index<'a>,
    /// That which the last answer lies in.
    block: Option<Range<u128>>,
}

impl OfType<'_> {
    fn at_or_below(&mut self, bound: u128) -> Result<Look, StoreError> {
        let block = match &self.block {
            Some(block) if block.start <= bound => block,
            _ => {
                let first = match self.blocks.at_or_below(bound)? {
                    Look::Found(first) => first,
                    end => return Ok(end),
                };
                self.blocks.budget.spend();
                let end = type_blocks::end_of_block(&*self.blocks.shared.engine, first)?;
                self.block.insert(first..end)
            }
        };
        Ok(Look::Found(bound.min(block.end.saturating_sub(1))))
    }
}

/// The greatest id of a range that is not above `bound`.
fn within(ids: &Range<u128>, bound: u128) -> Look {
    let id = bound.min(ids.end.saturating_sub(1));
    if ids.contains(&id) { Look::Found(id) } else { Look::End }
}

/// The deliveries of one event after the other.
pub struct OfEvents<'a> {
    events: Index<'a>,
    least: u128,
    /// Those of the event that was read last.
    of_one: Range<u128>,
}

impl OfEvents<'_> {
    fn at_or_below(&mut self, mut bound: u128) -> Result<Look, StoreError> {
        loop {
            if bound < self.least {
                return Ok(Look::End);
            }
            if let found @ Look::Found(_) = within(&self.of_one, bound) {
                return Ok(found);
            }
            let Some(below) = bound.checked_sub(1) else { return Ok(Look::End) };
            let key = match self.events.at_or_below(below)? {
                Look::Found(key) => EventKey::from_u128(key),
                Look::Spent(_) => return Ok(Look::Spent(bound)),
                Look::End => return Ok(Look::End),
            };
            let shared = self.events.shared;
            // What a damaged event's deliveries have in records is found by these.
            let read = shared.past_damage(reading::event(shared, key))?;
            self.of_one = read.map_or(0..0, |(stored, _)| stored.deliveries());
            // None of its deliveries is below its own key.
            if within(&self.of_one, bound) == Look::End {
                bound = key.as_u128();
            }
        }
    }
}

/// A merge.
pub struct AnyOf<'a> {
    streams: Vec<Stream<'a>>,
    /// The streams' greatest ids, each with its stream's number; `None` before the first read.
    heads: Option<BinaryHeap<(u128, usize)>>,
}

impl AnyOf<'_> {
    fn at_or_below(&mut self, bound: u128) -> Result<Look, StoreError> {
        let heads = match &mut self.heads {
            Some(heads) => heads,
            unread @ None => {
                let mut heads = BinaryHeap::with_capacity(self.streams.len());
                for (n, stream) in self.streams.iter_mut().enumerate() {
                    match stream.at_or_below(bound)? {
                        Look::Found(id) => heads.push((id, n)),
                        Look::End => {}
                        Look::Spent(_) => return Ok(Look::Spent(bound)),
                    }
                }
                unread.insert(heads)
            }
        };
        while let Some((id, n)) = heads.peek().copied() {
            if id <= bound {
                return Ok(Look::Found(id));
            }
            let Some(stream) = self.streams.get_mut(n) else { break };
            match stream.at_or_below(bound)? {
                Look::Found(id) => {
                    heads.pop();
                    heads.push((id, n));
                }
                Look::End => drop(heads.pop()),
                Look::Spent(_) => return Ok(Look::Spent(bound)),
            }
        }
        Ok(Look::End)
    }
}
