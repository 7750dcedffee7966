//! How often an address may try to sign in. Tokens cannot be guessed anyhow; this keeps the trying cheap, and the table
//! of those who try small.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::domain::time::Timestamp;

/// So many wrong tokens an address may send within [`WINDOW`].
pub const MOST_TRIES: u32 = 10;
/// From the first wrong token on.
const WINDOW: Duration = Duration::from_mins(1);
/// More addresses are not remembered; the one whose window began first is forgotten.
const MOST_ADDRESSES: usize = 4_096;

/// Those who tried lately.
#[derive(Default)]
pub struct Throttle {
    tries: Mutex<HashMap<Client, Tries>>,
}

/// Who tries: an IPv4 address, a network of IPv6 as one customer has it, or whoever speaks through the Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Client(Option<IpAddr>);

#[derive(Debug, Clone, Copy)]
struct Tries {
    since: Timestamp,
    count: u32,
}

impl Client {
    fn of(address: Option<IpAddr>) -> Self {
        Self(address.map(|address| match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        }))
    }
}

impl Throttle {
    /// How long this address has to wait; `None` if it may try.
    pub fn wait(&self, address: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tries.get(&Client::of(address)).filter(|tries| tries.count >= MOST_TRIES)?;
        let left = found.since.plus(WINDOW).since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Counts a wrong token.
    pub fn count(&self, address: Option<IpAddr>, now: Timestamp) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let client = Client::of(address);
        if tries.len() >= MOST_ADDRESSES && !tries.contains_key(&client) {
            tries.retain(|_, tries| now < tries.since.plus(WINDOW));
            let oldest = tries.iter().min_by_key(|(_, tries)| tries.since).map(|(client, _)| *client);
            if tries.len() >= MOST_ADDRESSES
                && let Some(oldest) = oldest
            {
                tries.remove(&oldest);
            }
        }
        let own = tries.entry(client).or_insert(Tries { since: now, count: 0 });
        if now >= own.since.plus(WINDOW) {
            *own = Tries { since: now, count: 0 };
        }
        own.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn an_address_waits_until_its_window_is_over() {
        let throttle = Throttle::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().ok());
        for _ in 0..MOST_TRIES {
            assert_eq!(throttle.wait(one, at(100)), None);
            throttle.count(one, at(100));
        }
        assert_eq!(throttle.wait(one, at(110)), Some(Duration::from_secs(50)));
        assert_eq!(throttle.wait(other, at(110)), None);
        assert_eq!(throttle.wait(one, at(160)), None);
        throttle.count(one, at(160));
        assert_eq!(throttle.wait(one, at(161)), None, "a new window");
    }

    #[test]
    fn neighbours_in_ipv6_are_one_and_the_table_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..u128::from(MOST_TRIES) {
            throttle.count(Some(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n).into()), at(1));
        }
        assert!(throttle.wait("2001:db8::ffff".parse().ok(), at(1)).is_some());
        for n in 0..10_000_u32 {
            throttle.count(Some(IpAddr::V4(n.into())), at(2));
        }
        assert!(throttle.tries.lock().unwrap().len() <= MOST_ADDRESSES);
    }
}
