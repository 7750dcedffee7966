//! Rows in the order of their keys, read past whatever cannot be read: a damaged page of the engine hides a stretch of
//! keys, and what is behind it is still wanted by those who check a store or save what can be saved.

mod ahead;

use super::{
    StoreError,
    codec::{self, CodecError},
    engine::{Engine, Entries, Entry, Order},
    keys::{self, Row},
    long,
};

pub use ahead::Ahead;

/// Where a stretch ends is searched to this many bytes of a key: no key of an id or a time is longer.
const PRECISION: usize = 48;
/// After so many stretches the rest counts as one.
const MOST_GAPS: usize = 1_000;

/// Keys from `from` up to `to` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Inclusive.
    pub from: Vec<u8>,
    /// Exclusive.
    pub to: Vec<u8>,
    /// What the engine says.
    pub error: String,
}

/// What comes next.
#[derive(Debug)]
pub enum Found {
    /// A row.
    Row(Entry),
    /// A stretch without any.
    Gap(Gap),
}

/// The rows of a range of keys.
pub struct Scan<'a> {
    engine: &'a dyn Engine,
    entries: Option<Entries<'a>>,
    /// Everything before this key was read.
    from: Vec<u8>,
    to: Vec<u8>,
    gaps: usize,
}

impl<'a> Scan<'a> {
    /// Of the keys from `from` on (inclusive) up to `to` (exclusive).
    pub fn new(engine: &'a dyn Engine, from: &[u8], to: &[u8]) -> Self {
        let entries = Some(engine.range(from, to, Order::Ascending));
        Self { engine, entries, from: from.to_vec(), to: to.to_vec(), gaps: 0 }
    }

    /// Goes on behind what cannot be read.
    fn leap(&mut self, error: String) -> Gap {
        let from = self.from.clone();
        let reads = |key: &[u8]| {
            let first = self.engine.range(key, &self.to, Order::Ascending).next();
            !matches!(first, Some(Err(_)))
        };
        let to = if self.gaps < MOST_GAPS { end_of_gap(&from, &self.to, reads) } else { None };
        self.gaps += 1;
        self.entries = to.as_ref().map(|to| self.engine.range(to, &self.to, Order::Ascending));
        let to = to.unwrap_or_else(|| self.to.clone());
        self.from.clone_from(&to);
        Gap { from, to, error }
    }
}

impl Iterator for Scan<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        match self.entries.as_mut()?.next() {
            Some(Ok(entry)) => {
                self.from.clone_from(&entry.key);
                self.from.push(0);
                Some(Found::Row(entry))
            }
            Some(Err(error)) => Some(Found::Gap(self.leap(error.0))),
            None => {
                self.entries = None;
                None
            }
        }
    }
}

/// The first key behind `from` from which on there is something to read: found by leaps that double, then halved.
fn end_of_gap(from: &[u8], end: &[u8], reads: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut low = from.to_vec();
    low.resize(PRECISION.max(from.len()), 0);
    let bits = low.len() * 8;
    // At the end there is nothing, which is to read nothing.
    let leap = (0..bits).find_map(|bit| match plus(&low, bit) {
        Some(high) if high.as_slice() < end => reads(&high).then_some((bit, high)),
        _ => Some((bit, end.to_vec())),
    });
    let (bit, mut high) = leap?;
    for bit in (0..bit).rev() {
        // Below `low` nothing reads; from `high` on it does.
        if let Some(middle) = plus(&low, bit)
            && middle < high
        {
            if reads(&middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }
    // A key of fewer bytes lies before the same with zeros behind it.
    let shortest = high.iter().rposition(|byte| *byte > 0).map_or(0, |last| last + 1);
    let shorter = (shortest..high.len()).find(|length| high.get(..*length).is_some_and(|key| key > from && reads(key)));
    high.truncate(shorter.unwrap_or(high.len()));
    Some(high)
}

/// A key as a number, and 2 to the power of `bit` more; `None`: there is no greater one.
fn plus(key: &[u8], bit: usize) -> Option<Vec<u8>> {
    let mut sum = key.to_vec();
    let mut add = 1_u16 << (bit % 8);
    for byte in sum.iter_mut().rev().skip(bit / 8) {
        let total = u16::from(*byte) + add;
        *byte = u8::try_from(total & 0xff).unwrap_or(u8::MAX);
        add = total >> 8;
        if add == 0 {
            return Some(sum);
        }
    }
    None
}

/// One row, and what its key names.
#[derive(Debug)]
pub struct NamedRow {
    /// What the key names.
    pub row: Row,
    /// Which part of it.
    pub part: u16,
    /// The key and the value.
    pub entry: Entry,
}

/// Is told of what is not a row of this layout.
pub trait Notes {
    /// A row was read.
    fn read(&mut self, entry: &Entry);
    /// Rows cannot be read.
    fn gap(&mut self, gap: &Gap);
    /// The layout has no such key.
    fn unknown(&mut self, entry: &Entry);
}

/// The rows of one kind, one at a time, with a look at the next.
pub struct Cursor<'a> {
    rows: Box<dyn Iterator<Item = Found> + 'a>,
    head: Option<NamedRow>,
    gaps: Vec<Gap>,
}

impl<'a> Cursor<'a> {
    /// Before the first row of a kind.
    pub fn of_kind(engine: &'a dyn Engine, kind: u8, notes: &mut impl Notes) -> Self {
        let all = keys::all_of(kind);
        Self::of_range(engine, &all, &keys::end_of(&all), notes)
    }

    /// Before the first row of a range.
    pub fn of_range(engine: &'a dyn Engine, from: &[u8], to: &[u8], notes: &mut impl Notes) -> Self {
        Self::over(Scan::new(engine, from, to), notes)
    }

    /// Before the first of these rows.
    pub fn over(rows: impl Iterator<Item = Found> + 'a, notes: &mut impl Notes) -> Self {
        let mut cursor = Self { rows: Box::new(rows), head: None, gaps: Vec::new() };
        cursor.advance(notes);
        cursor
    }

    /// The next row, left there.
    pub fn head(&self) -> Option<&NamedRow> {
        self.head.as_ref()
    }

    /// The next row.
    pub fn take(&mut self, notes: &mut impl Notes) -> Option<NamedRow> {
        let taken = self.head.take()?;
        self.advance(notes);
        Some(taken)
    }

    /// The next row, if it is like this.
    pub fn take_if(&mut self, notes: &mut impl Notes, is: impl FnOnce(&Row) -> bool) -> Option<NamedRow> {
        if is(&self.head()?.row) { self.take(notes) } else { None }
    }

    /// Whether this key is among those that could not be read so far.
    pub fn is_unread(&self, row: &Row) -> bool {
        let key = row.key();
        self.gaps.iter().any(|gap| (&gap.from..&gap.to).contains(&&key))
    }

    /// All rows of the record that the next row is of, put together; `None`: there is no next row.
    pub fn take_record(&mut self, notes: &mut impl Notes) -> Option<LongRecord> {
        let first = self.take(notes)?;
        let row = first.row.clone();
        let mut rows = vec![first];
        while let Some(next) = self.take_if(notes, |next| *next == row) {
            rows.push(next);
        }
        let bytes = join(&rows);
        let rows = rows.into_iter().map(|row| row.entry).collect();
        Some(LongRecord { row, rows, bytes })
    }

    /// The same, if it is of this record.
    pub fn take_record_of(&mut self, notes: &mut impl Notes, row: &Row) -> Option<LongRecord> {
        self.head().filter(|head| head.row == *row)?;
        self.take_record(notes)
    }

    fn advance(&mut self, notes: &mut impl Notes) {
        for found in self.rows.by_ref() {
            match found {
                Found::Gap(gap) => {
                    notes.gap(&gap);
                    self.gaps.push(gap);
                }
                Found::Row(entry) => {
                    notes.read(&entry);
                    if let Some((row, part)) = Row::parse(&entry.key) {
                        self.head = Some(NamedRow { row, part, entry });
                        return;
                    }
                    notes.unknown(&entry);
                }
            }
        }
    }
}

/// A record that lies in parts.
#[derive(Debug)]
pub struct LongRecord {
    /// What it is, without a part.
    pub row: Row,
    /// Its rows as they lie there.
    pub rows: Vec<Entry>,
    /// Its bytes.
    pub bytes: Result<Vec<u8>, StoreError>,
}

impl LongRecord {
    /// The record that the bytes are.
    pub fn record<R: codec::Record>(&self) -> Result<R, StoreError> {
        let bytes = self.bytes.as_ref().map_err(Clone::clone)?;
        let (record, _) = codec::unpack(bytes).map_err(|error| error.at(&long::part_key(&self.row, 0)))?;
        Ok(record)
    }
}

fn join(rows: &[NamedRow]) -> Result<Vec<u8>, StoreError> {
    let mut whole = Vec::new();
    let mut of = 0;
    for (expected, row) in (0..).zip(rows) {
        let (parts, bytes) = long::split(&row.entry.key, &row.entry.value)?;
        if row.part != expected {
            return Err(CodecError::Short.at(&long::part_key(&row.row, expected)));
        }
        if expected > 0 && parts != of {
            return Err(CodecError::Malformed("part of a long").at(&row.entry.key));
        }
        of = parts;
        whole.extend_from_slice(bytes);
    }
    match u16::try_from(rows.len()) {
        Ok(found) if found == of => Ok(whole),
        found => {
            // A part that is missing at the end, or one too many.
            let part = found.unwrap_or(u16::MAX).min(of);
            let row = rows.first().map(|row| long::part_key(&row.row, part)).unwrap_or_default();
            Err(if found.is_ok_and(|found| found < of) { CodecError::Short } else { CodecError::Malformed("long") }
                .at(&row))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::{Aside, CommitError, CopyError, ReadError, Write, Writes};

    /// Keys of two bytes, some of which lie on pages that cannot be read.
    struct Holes(Vec<(u16, u16)>);

    impl Holes {
        fn reads(&self, key: u16) -> bool {
            !self.0.iter().any(|(from, to)| (*from..*to).contains(&key))
        }
    }

    impl Engine for Holes {
        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
            Ok(None)
        }

        fn range(&self, from: &[u8], to: &[u8], _: Order) -> Entries<'_> {
            let number = |key: &[u8]| {
                let two = [key.first().copied().unwrap_or(0), key.get(1).copied().unwrap_or(0)];
                u16::from_be_bytes(two).saturating_add(u16::from(key.iter().skip(2).any(|byte| *byte > 0)))
            };
            // Between two keys one is on the page of the first.
            let begins_in_a_hole = from.len() > 1 && !self.reads(u16::from_be_bytes([from[0], from[1]]));
            let (first, end) = (number(from) + u16::from(from.len() == 3), number(to));
            let first = if begins_in_a_hole { u16::from_be_bytes([from[0], from[1]]) } else { first };
            let mut failed = false;
            Box::new((first..end).map_while(move |key| {
                if failed {
                    return None;
                }
                failed = !self.reads(key);
                let entry = Entry { key: key.to_be_bytes().to_vec(), value: Vec::new() };
                Some(if failed { Err(ReadError("a hole".into())) } else { Ok(entry) })
            }))
        }

        fn commit(&self, _: Vec<Write>) -> Result<(), CommitError> {
            Ok(())
        }

        fn copy(&self, _: Aside) -> Result<Writes<'_>, CopyError> {
            Err(CopyError::Busy)
        }

        fn approximate_size(&self) -> u64 {
            0
        }
    }

    #[test]
    fn what_is_behind_a_hole_is_read() {
        for holes in [vec![], vec![(0, 1)], vec![(700, 701), (900, 1_400), (1_401, 1_800)], vec![(3_000, 5_000)]] {
            let engine = Holes(holes.clone());
            let mut keys = Vec::new();
            let mut gaps = 0;
            for found in Scan::new(&engine, &[0, 0], &4_096_u16.to_be_bytes()) {
                match found {
                    Found::Row(entry) => keys.push(u16::from_be_bytes([entry.key[0], entry.key[1]])),
                    Found::Gap(gap) => {
                        assert!(gap.from < gap.to && gap.error == "a hole");
                        gaps += 1;
                    }
                }
            }
            let readable: Vec<u16> = (0..4_096).filter(|key| engine.reads(*key)).collect();
            // Of a few keys between two holes a leap may land behind the second.
            let missed = readable.iter().filter(|key| !keys.contains(key)).count();
            assert!(missed <= 1, "{holes:?}: {missed}");
            assert!(gaps <= holes.len());
        }
    }
}
