//! Which addresses may be connected to (hardening E11): a name that somebody sends must not lead into the network the server
//! stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(widest), |prefix| prefix.parse().map_err(|_| wrong()))?;
        if prefix > widest {
            return Err(wrong());
        }
        Ok(Self { address, prefix })
    }
}

impl Network {
    fn contains(self, ip: IpAddr) -> bool {
        let (own, other, width) = match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (
                u128::from(own.to_bits()),
                u128::from(other.to_bits()),
                32_u32,
            ),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.prefix);
        shift == width && width == 128 || own >> shift == other >> shift
    }
}

/// Which addresses may be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Any: the operator named the endpoint.
    Any,
    /// Those of the public internet, and these private ones.
    PublicAnd(Vec<Network>),
}

impl AddressPolicy {
    /// Whether this address may be connected to. A v6 address that stands for a v4 one is judged as that.
    pub fn allows(&self, ip: IpAddr) -> bool {
        let Self::PublicAnd(networks) = self else {
            return true;
        };
        let ip = match ip {
            IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
            IpAddr::V4(_) => ip,
        };
        is_public(ip) || networks.iter().any(|network| network.contains(ip))
    }
}

/// The v4 address inside of a mapped, compatible or NAT64 one.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, ..] = ip.segments();
    let bits = ip.to_bits();
    let low = Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32);
    let is_mapped = [a, b, c, d, e, f] == [0, 0, 0, 0, 0, 0xffff];
    let is_compatible = [a, b, c, d, e, f] == [0; 6] && bits > 1;
    let is_nat64 = [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0];
    (is_mapped || is_compatible || is_nat64).then_some(low)
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// Everything that the registry of special addresses (RFC 6890 and successors) does not take out.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b)))
}

/// Global unicast alone, without what is carried to v4 in other ways (Teredo, 6to4) and without documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let is_global = a & 0xe000 == 0x2000;
    let is_special = a == 0x2001 && (b < 0x0200 || b == 0x0db8);
    is_global && !is_special && a != 0x2002 && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> AddressPolicy {
        AddressPolicy::PublicAnd(Vec::new())
    }

    #[test]
    fn addresses_inside_are_refused_in_every_spelling() {
        for inside in [
            "127.0.0.1",
            "127.255.0.3",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ] {
            assert!(!public().allows(inside.parse().unwrap()), "{inside}");
            assert!(AddressPolicy::Any.allows(inside.parse().unwrap()));
        }
    }

    #[test]
    fn the_public_internet_is_allowed_and_private_networks_when_they_are_named() {
        for outside in [
            "1.1.1.1",
            "52.216.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "::ffff:8.8.8.8",
        ] {
            assert!(public().allows(outside.parse().unwrap()), "{outside}");
        }
        let some = AddressPolicy::PublicAnd(vec![
            "10.0.0.0/8".parse().unwrap(),
            "127.0.0.1".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ]);
        for (ip, is_allowed) in [
            ("10.200.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("fd00::5", true),
            ("fe80::5", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(some.allows(ip.parse().unwrap()), is_allowed, "{ip}");
        }
    }

    #[test]
    fn networks_that_are_none_are_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "host/8",
            "::1/129",
            "10.0.0.0/-1",
        ] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
    }
}
