//! How records become bytes, in two layers. *Packing*: a version byte and the record in bincode, and behind it raw
//! bytes that bincode would copy one by one. *Sealing*: a CRC-32C over the row's key and what is packed, so that a
//! damaged value and one that lies under another's key are both found. bincode is named in this file alone.

use serde::{Serialize, de::DeserializeOwned};

use super::{StoreError, keys};

/// A record that can be stored.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is called in messages.
    const NAME: &'static str;
    /// The form in which it is written now. A change of the type needs a new number, and [`Self::upgrade`] for the old.
    const VERSION: u8;

    /// The record from an older form of it, with the length of that. So a record stays as it was written until it is
    /// written again, and a new form needs no migration unless its meaning changes.
    fn upgrade(older: Older<'_>) -> Result<(Self, usize), CodecError> {
        older.unknown()
    }
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Damaged, or another row's.
    #[error("its checksum is wrong")]
    Checksum,
    /// Shorter than a record can be.
    #[error("it is cut short")]
    Short,
    /// Written by a newer release, or by none.
    #[error("it is a {name} record of version {found}; this release knows version {known}")]
    Version {
        /// Which record was expected.
        name: &'static str,
        /// Its version.
        found: u8,
        /// The version that this release knows.
        known: u8,
    },
    /// Right checksum and version, and yet no such record.
    #[error("it is not a {0} record")]
    Malformed(&'static str),
}

/// A record's bytes in an older form.
pub struct Older<'a> {
    version: u8,
    bytes: &'a [u8],
}

impl Older<'_> {
    /// Which form.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Reads it as the type that it had then, and makes of that what it is now.
    pub fn read<T: DeserializeOwned, R: Record>(self, upgrade: impl FnOnce(T) -> R) -> Result<(R, usize), CodecError> {
        let (old, read) =
            bincode::serde::decode_from_slice(self.bytes, config()).map_err(|_| CodecError::Malformed(R::NAME))?;
        Ok((upgrade(old), read))
    }

    /// There never was such a form.
    pub fn unknown<R: Record>(self) -> Result<(R, usize), CodecError> {
        Err(CodecError::Version { name: R::NAME, found: self.version, known: R::VERSION })
    }
}

impl CodecError {
    /// The same, naming the row.
    pub fn at(self, key: &[u8]) -> StoreError {
        StoreError::Damaged(format!("{} cannot be read: {self}", keys::describe(key)))
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard()
}

/// Packs a record and the raw bytes behind it.
pub fn pack<R: Record>(record: &R, tail: &[u8]) -> Result<Vec<u8>, StoreError> {
    pack_as::<R>(record, tail)
}

/// The same with what is written field by field as such a record is, but borrows what is in it.
pub fn pack_as<R: Record>(like: &impl Serialize, tail: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(256 + tail.len());
    pack_into::<R>(&mut bytes, like, tail)?;
    Ok(bytes)
}

fn pack_into<R: Record>(bytes: &mut Vec<u8>, record: &impl Serialize, tail: &[u8]) -> Result<(), StoreError> {
    bytes.push(R::VERSION);
    bincode::serde::encode_into_std_write(record, bytes, config())
        .map_err(|error| StoreError::Failed(format!("a {} record cannot be written: {error}", R::NAME)))?;
    bytes.extend_from_slice(tail);
    Ok(())
}

/// The record, and the raw bytes behind it.
pub fn unpack<R: Record>(bytes: &[u8]) -> Result<(R, &[u8]), CodecError> {
    let (version, rest) = bytes.split_first().ok_or(CodecError::Short)?;
    let older = Older { version: *version, bytes: rest };
    let (record, read) = match *version {
        version if version == R::VERSION => older.read(|record: R| record)?,
        version if version < R::VERSION => R::upgrade(older)?,
        _ => older.unknown()?,
    };
    Ok((record, rest.get(read..).ok_or(CodecError::Short)?))
}

/// Puts the checksum in front of a row's bytes.
pub fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    [&checksum(key, bytes), bytes].concat()
}

/// A row's bytes, if their checksum is right.
pub fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], CodecError> {
    let (found, bytes) = value.split_first_chunk().ok_or(CodecError::Short)?;
    if *found == checksum(key, bytes) { Ok(bytes) } else { Err(CodecError::Checksum) }
}

/// Packs and seals a record that fits in one row.
pub fn encode<R: Record>(key: &[u8], record: &R, tail: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(256 + tail.len());
    bytes.extend_from_slice(&[0; 4]);
    pack_into::<R>(&mut bytes, record, tail)?;
    if let Some((sum, packed)) = bytes.split_first_chunk_mut() {
        *sum = checksum(key, packed);
    }
    Ok(bytes)
}

/// The record of one row, and the raw bytes behind it.
pub fn decode<'a, R: Record>(key: &[u8], value: &'a [u8]) -> Result<(R, &'a [u8]), CodecError> {
    unpack(unseal(key, value)?)
}

fn checksum(key: &[u8], bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c_append(crc32c::crc32c(key), bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample(u32, String);

    impl Record for Sample {
        const NAME: &'static str = "sample";
        const VERSION: u8 = 3;

        fn upgrade(older: Older<'_>) -> Result<(Self, usize), CodecError> {
            match older.version() {
                2 => older.read(|SampleOf2(number)| Self(number, "made later".into())),
                _ => older.unknown(),
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let value = encode(b"key", &Sample(7, "seven".into()), b"tail").unwrap();
        assert_eq!(decode(b"key", &value), Ok((Sample(7, "seven".into()), &b"tail"[..])));
        for at in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert_eq!(decode::<Sample>(b"key", &damaged), Err(CodecError::Checksum), "bit {at}");
        }
        for length in 0..value.len() {
            assert!(decode::<Sample>(b"key", &value[..length]).is_err(), "cut to {length}");
        }
        assert_eq!(decode::<Sample>(b"kez", &value), Err(CodecError::Checksum), "another row's value");
    }

    /// What `Sample` once was.
    #[derive(Serialize, Deserialize)]
    struct SampleOf2(u32);

    impl Record for SampleOf2 {
        const NAME: &'static str = "sample";
        const VERSION: u8 = 2;
    }

    #[test]
    fn an_older_form_is_read_with_what_stands_behind_it() {
        let value = encode(b"key", &SampleOf2(7), b"tail").unwrap();
        assert_eq!(decode(b"key", &value), Ok((Sample(7, "made later".into()), &b"tail"[..])));
        let mut packed = pack(&SampleOf2(7), b"").unwrap();
        packed[0] = 1;
        let error = decode::<Sample>(b"key", &seal(b"key", &packed)).unwrap_err();
        assert_eq!(error, CodecError::Version { name: "sample", found: 1, known: 3 });
        let error = decode::<Sample>(b"key", &seal(b"key", &[2])).unwrap_err();
        assert_eq!(error, CodecError::Malformed("sample"));
    }

    #[test]
    fn an_unknown_version_is_named() {
        let mut packed = pack(&Sample(7, String::new()), b"").unwrap();
        packed[0] = 9;
        let error = decode::<Sample>(b"key", &seal(b"key", &packed)).unwrap_err();
        assert_eq!(error, CodecError::Version { name: "sample", found: 9, known: 3 });
        let missing = seal(b"key", &[3]);
        assert_eq!(decode::<Sample>(b"key", &missing), Err(CodecError::Malformed("sample")));
    }
}
