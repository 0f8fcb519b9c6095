//! Which addresses may be connected to, and on whose word.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// On what terms a destination was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// `private: true`: it may lie on this machine or in a private network.
    pub private: bool,
    /// It was granted by its address, not by a name that somebody else resolves.
    pub literal: bool,
}

/// An address that may be connected to. Only [`Terms::check`] makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checked(SocketAddr);

impl Checked {
    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// An address that may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prohibited {
    address: IpAddr,
    reach: Reach,
}

impl Prohibited {
    /// Whether `private: true` would allow it.
    pub fn needs_private(&self) -> bool {
        matches!(self.reach, Reach::Private(_))
    }
}

impl fmt::Display for Prohibited {
    /// To be read after the name that led here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, reach } = self;
        match reach {
            Reach::Public => write!(f, "{address}, which is public"),
            Reach::Private(kind) => write!(f, "{address}, which is {kind}"),
            Reach::Literal(kind) => write!(f, "{address}, which is {kind} and is never reached by a name"),
            Reach::Never(kind) => write!(f, "{address}, which is {kind} and is never reached"),
        }
    }
}

impl Terms {
    /// Judges one address.
    ///
    /// # Errors
    /// [`Prohibited`] if a grant on these terms does not reach it.
    pub fn check(self, address: SocketAddr) -> Result<Checked, Prohibited> {
        let reach = reach(address.ip());
        let allowed = match reach {
            Reach::Public => true,
            Reach::Private(_) => self.private,
            Reach::Literal(_) => self.private && self.literal,
            Reach::Never(_) => false,
        };
        if allowed { Ok(Checked(address)) } else { Err(Prohibited { address: address.ip(), reach }) }
    }
}

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Anywhere in the Internet.
    Public,
    /// On this machine or in a network of its own: with `private: true`.
    Private(&'static str),
    /// Where clouds hand out a machine's own credentials to whoever asks from it. A name must not lead there, whatever it was granted
    /// for: only an operator who writes down the very address, and `private: true`, can mean it.
    Literal(&'static str),
    /// No single destination, or none that is in use.
    Never(&'static str),
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// By the registry of special-purpose addresses (<https://www.iana.org/assignments/iana-ipv4-special-registry>).
fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0, ..] => Reach::Never("unspecified"),
        [127, ..] => Reach::Private("loopback"),
        [10, ..] | [192, 168, ..] => Reach::Private("private"),
        [172, second, ..] if second & 0xf0 == 16 => Reach::Private("private"),
        // Not link-local, and the same thing all the same: Alibaba Cloud and Azure.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Reach::Literal("a cloud's metadata service"),
        [100, second, ..] if second & 0xc0 == 64 => Reach::Private("a carrier's (CGNAT)"),
        [169, 254, ..] => Reach::Literal("link-local"),
        [198, second, ..] if second & 0xfe == 18 => Reach::Private("for benchmarks"),
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => Reach::Never("reserved"),
        [first, ..] if first & 0xf0 == 224 => Reach::Never("multicast"),
        [first, ..] if first & 0xf0 == 240 => Reach::Never("reserved"),
        _ => Reach::Public,
    }
}

/// By the registry of special-purpose addresses (<https://www.iana.org/assignments/iana-ipv6-special-registry>).
fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private("loopback"),
        // Mapped and compatible: another way to write an IPv4 address, which no honest answer of a resolver needs.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => at_least_private(reach_v4(embedded(high, low)), "an IPv4 address in IPv6 form"),
        // NAT64: in a network without IPv4 every public name has such an address, so that the address in it is what counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => reach_v4(embedded(high, low)),
        [0x64, 0xff9b, 1, ..] => Reach::Private("a network's own NAT64"),
        [0x2002, high, low, ..] => at_least_private(reach_v4(embedded(high, low)), "a 6to4 address"),
        // AWS and Google Cloud.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => Reach::Literal("a cloud's metadata service"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private("private (ULA)"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Reach::Literal("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Reach::Private("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Reach::Never("multicast"),
        // Teredo, ORCHID and other protocols' own; documentation.
        [0x2001, second, ..] if second & 0xfe00 == 0 => Reach::Never("reserved"),
        [0x2001, 0xdb8, ..] | [0x3fff, ..] => Reach::Never("reserved"),
        [first, ..] if first & 0xe000 == 0x2000 => Reach::Public,
        _ => Reach::Never("reserved"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}

fn at_least_private(reach: Reach, kind: &'static str) -> Reach {
    if reach == Reach::Public { Reach::Private(kind) } else { reach }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without `private`, with it by a name, with it by the very address.
    fn allowed(address: &str) -> String {
        let address = SocketAddr::new(address.parse().unwrap(), 443);
        let terms = [(false, false), (false, true), (true, false), (true, true)];
        let allowed = terms.map(|(private, literal)| Terms { private, literal }.check(address).is_ok());
        match allowed {
            [true, true, true, true] => "always",
            [false, false, true, true] => "private",
            [false, false, false, true] => "literal",
            [false, false, false, false] => "never",
            other => panic!("{address}: {other:?}"),
        }
        .to_owned()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases, one a line")]
    fn every_kind_of_address_is_reached_on_its_terms_alone() {
        for (terms, addresses) in [
            (
                "always",
                &[
                    "1.1.1.1",
                    "9.255.255.255",
                    "11.0.0.0",
                    "100.63.255.255",
                    "100.128.0.0",
                    "126.255.255.255",
                    "128.0.0.0",
                    "168.63.129.15",
                    "169.253.255.255",
                    "172.15.255.255",
                    "172.32.0.0",
                    "192.167.255.255",
                    "198.17.255.255",
                    "198.20.0.0",
                    "223.255.255.255",
                    "2606:4700::1111",
                    "2001:200::1",
                    "64:ff9b::101:101",
                ][..],
            ),
            (
                "private",
                &[
                    "127.0.0.1",
                    "127.255.255.254",
                    "10.0.0.1",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "100.64.0.1",
                    "100.127.255.255",
                    "198.18.0.1",
                    "198.19.255.255",
                    "::1",
                    "fc00::1",
                    "fdaa::3",
                    "fec0::1",
                    "::ffff:1.1.1.1",
                    "::ffff:127.0.0.1",
                    "::ffff:10.0.0.1",
                    "::1.1.1.1",
                    "::127.0.0.1",
                    "64:ff9b::7f00:1",
                    "64:ff9b::a00:1",
                    "64:ff9b:1::1",
                    "2002:7f00:1::1",
                    "2002:101:101::",
                ],
            ),
            (
                "literal",
                &[
                    "169.254.169.254",
                    "169.254.0.1",
                    "100.100.100.200",
                    "168.63.129.16",
                    "fe80::1",
                    "febf::1",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                    "::ffff:169.254.169.254",
                    "64:ff9b::a9fe:a9fe",
                    "2002:a9fe:a9fe::",
                ],
            ),
            (
                "never",
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "192.0.0.192",
                    "192.0.2.1",
                    "192.88.99.1",
                    "198.51.100.1",
                    "203.0.113.1",
                    "224.0.0.1",
                    "239.255.255.255",
                    "240.0.0.1",
                    "255.255.255.255",
                    "::",
                    "::2",
                    "::ffff:0.0.0.0",
                    "::ffff:224.0.0.1",
                    "64:ff9b::",
                    "ff02::1",
                    "2001::1",
                    "2001:db8::1",
                    "3fff::1",
                    "100::1",
                    "4000::1",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(allowed(address), terms, "{address}");
            }
        }
    }
}
