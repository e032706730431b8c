//! Networks in CIDR notation, such as `10.0.0.0/8`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network in CIDR notation. The address can have bits after the prefix, which then mean nothing: see [`Self::masked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The reason why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// There is no `/`.
    #[error("has no prefix length; write one, such as `10.0.0.0/8`, or `/32` or `/128` for one address")]
    NoPrefix,
    /// The part before the `/` is not an IP address.
    #[error("does not begin with an IP address; write one such as `10.0.0.0/8` or `2001:db8::/32`")]
    Address,
    /// The part after the `/` is not a length.
    #[error("has no valid prefix length; write 0 to 32 for IPv4, or 0 to 128 for IPv6")]
    Prefix,
    /// The address is IPv4 in IPv6.
    #[error("is IPv4 written as IPv6; write the IPv4 network, such as `10.0.0.0/8`")]
    Mapped,
}

impl Network {
    /// Returns true if the address is of this network. IPv4 in IPv6 is of no network: [`IpAddr::to_canonical`] first.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                masked(address, self.prefix) == masked(self.address, self.prefix)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Returns true if every address of the other network is of this one.
    #[must_use]
    pub fn contains_network(&self, other: &Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// Returns the address as written.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the length of the prefix, in bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the network with no bit set after the prefix.
    #[must_use]
    pub fn masked(&self) -> Self {
        Self { address: masked(self.address, self.prefix), prefix: self.prefix }
    }
}

/// Clears all bits of an address after the first ones.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let rest = 32_u32.saturating_sub(u32::from(prefix));
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let rest = 128_u32.saturating_sub(u32::from(prefix));
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// Parses `ADDRESS/LENGTH`: no zone, no leading zeros, no mask such as `255.0.0.0`, no white space.
impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').ok_or(NetworkError::NoPrefix)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => return Err(NetworkError::Mapped),
            IpAddr::V6(_) => 128,
        };
        let is_number = prefix == "0" || !prefix.starts_with('0') && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: Option<u8> = prefix.parse().ok().filter(|prefix| is_number && *prefix <= most);
        Ok(Self { address, prefix: prefix.ok_or(NetworkError::Prefix)? })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, NetworkError};

    #[test]
    fn only_exact_notation_is_a_network() {
        use NetworkError::{Address, Mapped, NoPrefix, Prefix};
        for (text, expected) in [
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("10.1.2.3/8", Ok("10.0.0.0/8")),
            ("0.0.0.0/0", Ok("0.0.0.0/0")),
            ("255.255.255.255/32", Ok("255.255.255.255/32")),
            ("255.255.255.255/1", Ok("128.0.0.0/1")),
            ("2001:DB8::1/32", Ok("2001:db8::/32")),
            ("::/0", Ok("::/0")),
            ("ffff::1/128", Ok("ffff::1/128")),
            ("::10.0.0.0/120", Ok("::a00:0/120")),
            ("10.0.0.0", Err(NoPrefix)),
            ("", Err(NoPrefix)),
            ("/8", Err(Address)),
            ("10.0.0/8", Err(Address)),
            ("010.0.0.0/8", Err(Address)),
            (" 10.0.0.0/8", Err(Address)),
            ("10.0.0.0:80/8", Err(Address)),
            ("[::]/8", Err(Address)),
            ("fe80::%eth0/10", Err(Address)),
            ("10.0.0.0/", Err(Prefix)),
            ("10.0.0.0/33", Err(Prefix)),
            ("10.0.0.0/08", Err(Prefix)),
            ("10.0.0.0/+8", Err(Prefix)),
            ("10.0.0.0/-1", Err(Prefix)),
            ("10.0.0.0/8 ", Err(Prefix)),
            ("10.0.0.0/8/8", Err(Prefix)),
            ("10.0.0.0/255.0.0.0", Err(Prefix)),
            ("10.0.0.0/256", Err(Prefix)),
            ("::/129", Err(Prefix)),
            ("::ffff:10.0.0.0/104", Err(Mapped)),
            ("::ffff:0:0/96", Err(Mapped)),
        ] {
            let read: Result<Network, _> = text.parse();
            let read = read.map(|network| network.masked().to_string());
            assert_eq!(read.as_deref(), expected.as_ref().map(|text| *text), "{text:?}");
        }
    }

    #[test]
    fn a_network_contains_the_addresses_of_its_prefix_and_family() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false),
            ("10.9.9.9/8", "10.0.0.1", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("10.0.0.0/8", "::10.0.0.1", false),
            ("192.0.2.1/32", "192.0.2.1", true),
            ("192.0.2.1/32", "192.0.2.0", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1/128", "::1", true),
            ("::1/128", "::2", false),
        ] {
            let found = network.parse::<Network>().unwrap().contains(address.parse().unwrap());
            assert_eq!(found, expected, "{network} {address}");
        }
    }

    #[test]
    fn a_network_contains_narrower_ones() {
        for (network, other, expected) in [
            ("192.168.0.0/16", "192.168.10.0/24", true),
            ("192.168.0.0/16", "192.168.0.0/16", true),
            ("192.168.0.0/16", "192.168.0.0/15", false),
            ("192.168.1.0/24", "192.168.2.0/24", false),
            ("0.0.0.0/0", "::/0", false),
            ("::/0", "2001:db8::/32", true),
        ] {
            let (network, other): (Network, Network) = (network.parse().unwrap(), other.parse().unwrap());
            assert_eq!(network.contains_network(&other), expected, "{network} {other}");
        }
    }
}
