//! Records of any length, cut into rows: sled keeps values well only while they are small (see [`super::engine`]).
//! A row's key is the record's and a part number; its value is sealed, and tells how many parts there are.

use super::{
    StoreError,
    codec::{self, CodecError, Record},
    engine::Entry,
    keys::Row,
    reading::Rows,
    work::Work,
};

/// A part's length at most. With what stands before it, a value stays below 7,000 bytes.
pub const PART: usize = 6_900;

/// The key of one part.
pub fn part_key(row: &Row, part: u16) -> Vec<u8> {
    let mut key = row.key();
    key.extend_from_slice(&part.to_be_bytes());
    key
}

/// Writes a record, over an older one if there is one.
pub fn put<R: Record>(work: &mut Work, row: &Row, record: &R, tail: &[u8]) -> Result<(), StoreError> {
    put_bytes(work, row, &codec::pack(record, tail)?)
}

/// The same for bytes.
pub fn put_bytes(work: &mut Work, row: &Row, bytes: &[u8]) -> Result<(), StoreError> {
    let rows = cut(row, bytes, PART)?;
    let before = parts(work, row)?;
    for part in (0..before).skip(rows.len()) {
        work.delete(part_key(row, part));
    }
    for Entry { key, value } in rows {
        work.put(key, value);
    }
    Ok(())
}

/// The rows of a record that is cut into parts of this length, of at most [`PART`].
pub fn cut(row: &Row, bytes: &[u8], length: usize) -> Result<Vec<Entry>, StoreError> {
    let of = u16::try_from(bytes.len().div_ceil(length).max(1))
        .map_err(|_| StoreError::Failed(format!("a record of {} bytes is too long", bytes.len())))?;
    let parts = (0..of).map(|part| {
        let start = usize::from(part) * length;
        let slice = bytes.get(start..bytes.len().min(start + length)).unwrap_or_default();
        let key = part_key(row, part);
        let value = codec::seal(&key, &[&of.to_be_bytes(), slice].concat());
        Entry { key, value }
    });
    Ok(parts.collect())
}

/// Removes a record; false if there was none.
pub fn delete(work: &mut Work, row: &Row) -> Result<bool, StoreError> {
    let before = parts(work, row)?;
    for part in 0..before {
        work.delete(part_key(row, part));
    }
    Ok(before > 0)
}

/// A record, put together again.
pub fn get<R: Record>(rows: &impl Rows, row: &Row) -> Result<Option<(R, Vec<u8>)>, StoreError> {
    let Some(bytes) = get_bytes(rows, row)? else { return Ok(None) };
    let (record, tail) = codec::unpack(&bytes).map_err(|error| error.at(&part_key(row, 0)))?;
    Ok(Some((record, tail.to_vec())))
}

/// A record's bytes. A reader can meet a record while the writer changes it: then it is read again.
pub fn get_bytes(rows: &impl Rows, row: &Row) -> Result<Option<Vec<u8>>, StoreError> {
    let first_key = part_key(row, 0);
    let mut first = rows.get(&first_key)?;
    loop {
        let Some(value) = &first else { return Ok(None) };
        let error = match join(rows, row, value) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => error,
        };
        let again = rows.get(&first_key)?;
        if again == first {
            return Err(error);
        }
        first = again;
    }
}

fn join(rows: &impl Rows, row: &Row, first: &[u8]) -> Result<Vec<u8>, StoreError> {
    let (of, bytes) = split(&part_key(row, 0), first)?;
    let mut whole = bytes.to_vec();
    for part in 1..of {
        let key = part_key(row, part);
        let value = rows.get(&key)?.ok_or_else(|| CodecError::Short.at(&key))?;
        let (found, bytes) = split(&key, &value)?;
        if found != of {
            return Err(CodecError::Malformed("part of a long").at(&key));
        }
        whole.extend_from_slice(bytes);
    }
    Ok(whole)
}

/// How many parts the record has by this row, and the bytes of this part.
pub fn split<'a>(key: &[u8], value: &'a [u8]) -> Result<(u16, &'a [u8]), StoreError> {
    let sealed = codec::unseal(key, value).map_err(|error| error.at(key))?;
    let (of, bytes) = sealed.split_first_chunk().ok_or_else(|| CodecError::Short.at(key))?;
    Ok((u16::from_be_bytes(*of), bytes))
}

fn parts(rows: &impl Rows, row: &Row) -> Result<u16, StoreError> {
    let key = part_key(row, 0);
    rows.get(&key)?.map_or(Ok(0), |value| split(&key, &value).map(|(of, _)| of))
}
