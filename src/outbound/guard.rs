//! Which addresses may be connected to (contract, section 4). Only globally reachable unicast ones by default, after
//! the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates; as of 2025) and the IANA IPv4 and
//! IPv6 address space registries (multicast, reserved; of IPv6 only 2000::/3 is global unicast).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Judges addresses.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
}

/// An address that must not be connected to, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}")]
pub struct Refusal {
    /// The address.
    pub address: IpAddr,
    /// A phrase that follows "is".
    pub what: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Every IPv4 range of the registries of special-purpose addresses, and those that are no unicast. Some of them are
/// globally reachable by the registry (AS112, AMT, anycast services of the network at hand), but no place for a receiver.
const FORBIDDEN_V4: &[(Ipv4Net, &str)] = &[
    (v4(0, 0, 0, 0, 8), "an address of this host on this network (0.0.0.0/8)"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "a shared address behind carrier-grade NAT"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "an address for IETF protocol assignments"),
    (v4(192, 0, 2, 0, 24), "an address for documentation"),
    (v4(192, 31, 196, 0, 24), "an address for reverse look-ups (AS112)"),
    (v4(192, 52, 193, 0, 24), "a multicast tunnel (AMT) address"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay address"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(192, 175, 48, 0, 24), "an address for reverse look-ups (AS112)"),
    (v4(198, 18, 0, 0, 15), "an address for benchmarks"),
    (v4(198, 51, 100, 0, 24), "an address for documentation"),
    (v4(203, 0, 113, 0, 24), "an address for documentation"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];

/// IPv6 ranges outside 2000::/3, named so that a refusal says what they are; all else outside is refused too.
const NAMED_V6: &[(Ipv6Net, &str)] = &[
    (v6(0x64, 0xff9b, 1, 48), "a local-use IPv4/IPv6 translation (NAT64) address"),
    (v6(0x100, 0, 0, 64), "a discard-only address"),
    (v6(0x5f00, 0, 0, 16), "a segment routing (SRv6) address"),
    (v6(0xfc00, 0, 0, 7), "a unique local (private) address"),
    (v6(0xfe80, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 10), "a site-local (private) address"),
    (v6(0xff00, 0, 0, 8), "a multicast address"),
];

/// Ranges inside 2000::/3 that are special by the registry, or that wrap an IPv4 address in a tunnel.
const FORBIDDEN_V6: &[(Ipv6Net, &str)] = &[
    (v6(0x2001, 0, 0, 32), "a Teredo tunnel address"),
    (v6(0x2001, 0xdb8, 0, 32), "an address for documentation"),
    (v6(0x2002, 0, 0, 16), "a 6to4 tunnel address"),
    (v6(0x3fff, 0, 0, 20), "an address for documentation"),
    (v6(0x2001, 0, 0, 23), "an address for IETF protocol assignments"),
    (v6(0x2620, 0x4f, 0x8000, 48), "an address for reverse look-ups (AS112)"),
];

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
const COMPATIBLE: Ipv6Net = v6(0, 0, 0, 96);

impl Guard {
    /// With these ranges opened beside the public ones.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether an address may be connected to.
    ///
    /// An IPv4 address inside an IPv6 one (mapped, compatible, NAT64) is matched against the opened IPv4 ranges too.
    pub fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        if self.allows(address) {
            return Ok(());
        }
        let what = match address {
            IpAddr::V4(address) => forbidden_v4(address),
            IpAddr::V6(address) => forbidden_v6(address),
        };
        what.map_or(Ok(()), |what| Err(Refusal { address, what }))
    }

    fn allows(&self, address: IpAddr) -> bool {
        let has = |address: IpAddr| self.allowed.iter().any(|network| network.contains(&address));
        let embedded = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => embedded_v4(address),
        };
        has(address) || embedded.is_some_and(|embedded| has(embedded.into()))
    }
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        return Some("the unspecified address");
    }
    if address.is_loopback() {
        return Some("a loopback address");
    }
    if address.to_ipv4_mapped().is_some() {
        return Some("an IPv4-mapped address");
    }
    if COMPATIBLE.contains(&address) {
        return Some("an IPv4-compatible address");
    }
    if NAT64.contains(&address) {
        // The translator sends it on over IPv4, so what it wraps decides.
        let inner = embedded_v4(address)?;
        let refused = forbidden_v4(inner).is_some();
        return refused.then_some("a NAT64 address of an IPv4 address that is not public");
    }
    if let Some((_, what)) = NAMED_V6.iter().find(|(range, _)| range.contains(&address)) {
        return Some(what);
    }
    if !GLOBAL_UNICAST.contains(&address) {
        return Some("not a global unicast address");
    }
    if isatap_v4(address).is_some_and(|inner| forbidden_v4(inner).is_some()) {
        return Some("an ISATAP tunnel address of an IPv4 address that is not public");
    }
    FORBIDDEN_V6.iter().find(|(range, _)| range.contains(&address)).map(|(_, what)| *what)
}

/// The IPv4 address that an ISATAP interface leads to, under whatever prefix (RFC 5214, 6.1).
fn isatap_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., flags, 0x5efe, high, low] = address.segments() else { return None };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    matches!(flags, 0 | 0x200).then(|| Ipv4Addr::new(a, b, c, d))
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    FORBIDDEN_V4.iter().find(|(range, _)| range.contains(&address)).map(|(_, what)| *what)
}

/// The IPv4 address in the last 32 bits of a mapped (RFC 4291, 2.5.5.2), compatible (2.5.5.1) or NAT64 (RFC 6052) one.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if address.is_unspecified() || address.is_loopback() {
        return None;
    }
    let [.., a, b, c, d] = address.octets();
    let wraps = address.to_ipv4_mapped().is_some() || COMPATIBLE.contains(&address) || NAT64.contains(&address);
    wraps.then(|| Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_pass() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2003::1",
            "3fff:1000::1",
            "64:ff9b::8.8.8.8",
            "2001:470:1:1:200:5efe:8.8.8.8",
        ] {
            assert_eq!(Guard::default().check(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused_and_named() {
        for (address, what) in [
            ("192.31.196.1", "AS112"),
            ("192.52.193.1", "AMT"),
            ("192.175.48.1", "AS112"),
            ("2620:4f:8000::1", "AS112"),
            ("2001:3::1", "IETF"),
            ("2001:4:112::1", "IETF"),
            ("2001:20::1", "IETF"),
            ("2001:30::1", "IETF"),
            ("0.0.0.0", "this host"),
            ("0.1.2.3", "this host"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "NAT"),
            ("100.127.255.255", "NAT"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("169.254.169.254", "link-local"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.1", "protocol assignments"),
            ("192.0.0.9", "protocol assignments"),
            ("192.0.0.170", "protocol assignments"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4"),
            ("192.168.1.1", "private"),
            ("198.18.0.1", "benchmarks"),
            ("198.19.255.255", "benchmarks"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.7", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "IPv4-compatible"),
            ("::127.0.0.1", "IPv4-compatible"),
            ("::8.8.8.8", "IPv4-compatible"),
            ("::ffff:127.0.0.1", "IPv4-mapped"),
            ("::ffff:8.8.8.8", "IPv4-mapped"),
            ("::ffff:0:127.0.0.1", "not a global"),
            ("64:ff9b::127.0.0.1", "NAT64"),
            ("64:ff9b::10.0.0.1", "NAT64"),
            ("64:ff9b::169.254.169.254", "NAT64"),
            ("64:ff9b:1::8.8.8.8", "NAT64"),
            ("2001:470:1:1::5efe:127.0.0.1", "ISATAP"),
            ("2001:470:1:1:200:5efe:10.0.0.1", "ISATAP"),
            ("64:ff9b:2::1", "not a global"),
            ("100::1", "discard"),
            ("100:0:0:1::1", "not a global"),
            ("2001::1", "Teredo"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
            ("2001:1::1", "protocol assignments"),
            ("2001:2::1", "protocol assignments"),
            ("2001:10::1", "protocol assignments"),
            ("2001:1ff:ffff::1", "protocol assignments"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::", "6to4"),
            ("2002:808:808::", "6to4"),
            ("3fff::1", "documentation"),
            ("3fff:fff:ffff::1", "documentation"),
            ("4000::1", "not a global"),
            ("5f00::1", "SRv6"),
            ("fc00::1", "unique local"),
            ("fd12:3456::1", "unique local"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
        ] {
            let refusal = Guard::default().check(address.parse().unwrap()).expect_err(address);
            assert!(refusal.what.contains(what), "{address}: {refusal}");
            assert!(refusal.to_string().starts_with(&refusal.address.to_string()), "{refusal}");
        }
    }

    #[test]
    fn opened_ranges_pass_in_their_ipv6_forms_too_and_no_others() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (address, passes) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::ffff:127.0.0.1", true),
            ("::127.0.0.1", true),
            ("64:ff9b::127.0.0.1", true),
            ("fd00::1", true),
            ("8.8.8.8", true),
            ("10.0.0.1", false),
            ("::1", false),
            ("::", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::10.0.0.1", false),
            ("2002:7f00:1::", false),
            ("fc00::1", false),
        ] {
            assert_eq!(guard.check(address.parse().unwrap()).is_ok(), passes, "{address}");
        }
        let guard = Guard::new(vec!["0.0.0.0/0".parse().unwrap()]);
        assert!(guard.check("::1".parse().unwrap()).is_err(), "IPv4 ranges say nothing of ::1");
        let guard = Guard::new(vec!["::1/128".parse().unwrap()]);
        assert!(guard.check("::1".parse().unwrap()).is_ok());
        assert!(guard.check("127.0.0.1".parse().unwrap()).is_err());
    }
}
