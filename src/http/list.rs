//! Pages of lists and the cursors between them. A cursor says after which item a page begins, so that it stays valid
//! while things are added, and carries a checksum over its list and filter, so that another list refuses it.

use std::{borrow::Cow, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        event_type::EventTypeName,
        ids::{AuditId, DeliveryId, EndpointId, EventKey, TokenId},
    },
    store::{Page, PageRequest, StoreError},
};

/// The most items of a page.
pub const MAX_LIMIT: u64 = 500;

/// The items of a page that asks for no number.
pub const DEFAULT_LIMIT: usize = 50;

/// A read of the store is bounded, and may find few matches; so many reads make up one page at most.
pub const MOST_READS: usize = 20;

const CHECKSUM: usize = 8;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The parameters that all lists have.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by the document alone; `ListQuery` holds the values")]
pub struct PageParams {
    /// At most so many items.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u16>,
    /// Where to go on: the `next_cursor` of the page before, with the same filters.
    #[param(pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Where a page can begin.
pub trait Position: Sized {
    /// Its bytes in a cursor.
    fn to_bytes(&self) -> Vec<u8>;
    /// The position of these bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// The cursor that points behind it.
    fn to_cursor(&self, place: &[u8]) -> String {
        let position = self.to_bytes();
        let mut bytes = checksum(place, &position).to_vec();
        bytes.extend_from_slice(&position);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where a cursor points, if it was made for this list and filter.
    fn from_cursor(cursor: &str, place: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sum, position) = bytes.split_at_checked(CHECKSUM)?;
        (sum == checksum(place, position)).then(|| Self::from_bytes(position))?
    }
}

macro_rules! position {
    ($($id:ty),+) => {$(
        impl Position for $id {
            fn to_bytes(&self) -> Vec<u8> {
                self.to_be_bytes().to_vec()
            }
            fn from_bytes(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(<$id>::from_be_bytes)
            }
        }
    )+};
}
position!(EventKey, DeliveryId, EndpointId, TokenId, AuditId);

impl Position for EventTypeName {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_str(std::str::from_utf8(bytes).ok()?).ok()
    }
}

/// The list and the filter as one text without ambiguity.
pub fn cursor_place(path: &str, filter: &[(Cow<'_, str>, Cow<'_, str>)]) -> Vec<u8> {
    let mut place = path.as_bytes().to_vec();
    for part in filter.iter().flat_map(|(name, value)| [name, value]) {
        place.extend_from_slice(&part.len().to_be_bytes());
        place.extend_from_slice(part.as_bytes());
    }
    place
}

fn checksum(place: &[u8], position: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::new().chain_update(position.len().to_be_bytes()).chain_update(position).chain_update(place);
    let digest: [u8; 32] = digest.finalize().into();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

/// Reads on until the page is full, the list ends, or it was read often enough.
pub fn fill<T, K: Copy>(
    limit: usize,
    after: Option<K>,
    read: impl FnMut(PageRequest<K>) -> Result<Page<T, K>, StoreError>,
) -> Result<Page<T, K>, StoreError> {
    fill_within(MOST_READS, limit, after, read)
}

/// The same with another bound on the reads.
pub fn fill_within<T, K: Copy>(
    most_reads: usize,
    limit: usize,
    after: Option<K>,
    mut read: impl FnMut(PageRequest<K>) -> Result<Page<T, K>, StoreError>,
) -> Result<Page<T, K>, StoreError> {
    let mut page = Page { items: Vec::new(), next: after };
    for _ in 0..most_reads {
        let more = read(PageRequest { limit: limit - page.items.len(), after: page.next })?;
        page.items.extend(more.items);
        page.next = more.next;
        if page.next.is_none() || page.items.len() >= limit {
            break;
        }
    }
    Ok(page)
}

/// A page of what is in memory: `all` in the list's order, `key` what orders it.
pub fn cut<T, K: PartialEq>(limit: usize, all: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Page<T, K> {
    let mut items: Vec<T> = all.take(limit + 1).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(key).filter(|_| more);
    Page { items, next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_filled_over_reads_that_find_few() {
        let mut asked = Vec::new();
        let page = fill(3, None, |request: PageRequest<u8>| {
            asked.push((request.limit, request.after));
            let next = request.after.unwrap_or(0) + 1;
            Ok(Page { items: if next.is_multiple_of(2) { vec![next] } else { vec![] }, next: Some(next) })
        });
        let page = page.unwrap();
        assert_eq!((page.items, page.next), (vec![2, 4, 6], Some(6)));
        assert_eq!(asked[..3], [(3, None), (3, Some(1)), (2, Some(2))]);
        let empty = fill(3, None, |_| Ok(Page::<u8, u8> { items: vec![], next: Some(1) })).unwrap();
        assert_eq!((empty.items.len(), empty.next), (0, Some(1)), "bounded");
        let mut reads = 0;
        let none = |_| {
            reads += 1;
            Ok(Page::<u8, u8> { items: vec![], next: Some(1) })
        };
        fill_within(3, 5, None, none).unwrap();
        assert_eq!(reads, 3);
    }

    #[test]
    fn a_page_from_memory_knows_whether_more_follow() {
        let page = |limit| cut(limit, 1..=3, |n: &i32| *n);
        assert_eq!((page(2).items, page(2).next), (vec![1, 2], Some(2)));
        assert_eq!((page(3).items, page(3).next), (vec![1, 2, 3], None));
        assert_eq!(cut(3, 0..0, |n: &i32| *n).next, None);
    }
}
