//! A write as bytes: the lengths of key and value, 32 bits each in little-endian order, then both. A length of all ones
//! stands for a key that is removed. Captured batches and the blocks of an archive consist of these.

use std::io::{self, Read};

use super::Write;

const REMOVED: u32 = u32::MAX;

/// Adds a write to these bytes.
pub fn encode(bytes: &mut Vec<u8>, (key, value): &Write) {
    // Neither a key nor a value comes near to 4 GiB.
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(REMOVED - 1);
    let value_length = value.as_deref().map_or(REMOVED, length);
    bytes.extend_from_slice(&length(key).to_le_bytes());
    bytes.extend_from_slice(&value_length.to_le_bytes());
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value.as_deref().unwrap_or_default());
}

/// Reads the next write.
///
/// # Errors
/// The bytes end within it, or cannot be read.
pub fn decode(bytes: &mut impl Read) -> io::Result<Write> {
    let key_length = length(bytes)?;
    let value_length = length(bytes)?;
    let key = take(bytes, key_length)?;
    let value = if value_length == REMOVED { None } else { Some(take(bytes, value_length)?) };
    Ok((key, value))
}

fn length(bytes: &mut impl Read) -> io::Result<u32> {
    let mut length = [0; 4];
    bytes.read_exact(&mut length)?;
    Ok(u32::from_le_bytes(length))
}

/// Memory is taken for what is there, not for what a damaged length promises.
fn take(bytes: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut taken = Vec::new();
    bytes.take(length.into()).read_to_end(&mut taken)?;
    let whole = usize::try_from(length).is_ok_and(|length| length == taken.len());
    if whole { Ok(taken) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn writes_come_back_as_they_were(writes in vec((vec(any::<u8>(), 0..30), proptest::option::of(vec(any::<u8>(), 0..30))), 0..10)) {
            let mut bytes = Vec::new();
            for write in &writes {
                encode(&mut bytes, write);
            }
            let mut rest = bytes.as_slice();
            for write in &writes {
                prop_assert_eq!(&decode(&mut rest).unwrap(), write);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..60)) {
            let mut rest = bytes.as_slice();
            while let Ok(write) = decode(&mut rest) {
                prop_assert!(write.0.len() <= bytes.len());
            }
        }
    }
}
