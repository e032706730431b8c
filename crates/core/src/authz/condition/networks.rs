//! IP addresses and networks in expressions, with the functions of Kubernetes' CEL libraries (`ip`, `cidr` and their members).
//!
//! As there: no zones, no leading zeros, no IPv4 in IPv6. A network can have bits after its prefix, which `masked()` clears.

use super::declarations::Function;
use crate::http::network::Network;
use cel::common::types::{CelBool, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};
use std::any::Any;
use std::net::IpAddr;

static IP_TYPE: Type = Type::new_unspecified_type("net.IP");
static CIDR_TYPE: Type = Type::new_unspecified_type("net.CIDR");

/// The namespace of [`IS_CANONICAL`], which is also the name of a function.
pub(super) const NAMESPACE: &str = "ip";
/// The function of that namespace.
pub(super) const IS_CANONICAL: &str = "isCanonical";

const fn function(name: &'static str, alone: Option<usize>, member: Option<usize>, form: &'static str) -> Function {
    const fn exactly(count: Option<usize>) -> Option<std::ops::RangeInclusive<usize>> {
        match count {
            Some(count) => Some(count..=count),
            None => None,
        }
    }
    Function { name, alone: exactly(alone), member: exactly(member), form }
}

/// The functions.
pub(super) static FUNCTIONS: [Function; 14] = [
    function("cidr", Some(1), None, "`cidr('10.0.0.0/8')`"),
    function("ip", Some(1), Some(0), "`ip('10.0.0.7')`, or `cidr('10.0.0.0/8').ip()`"),
    function("isCIDR", Some(1), None, "`isCIDR(text)`"),
    function("isIP", Some(1), None, "`isIP(text)`"),
    function("containsIP", None, Some(1), "`cidr('10.0.0.0/8').containsIP(source.address)`"),
    function("containsCIDR", None, Some(1), "`cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')`"),
    function("masked", None, Some(0), "`cidr('10.0.0.0/8').masked()`"),
    function("prefixLength", None, Some(0), "`cidr('10.0.0.0/8').prefixLength()`"),
    function("family", None, Some(0), "`ip(source.address).family()`, which is 4 or 6"),
    function("isUnspecified", None, Some(0), "`ip(source.address).isUnspecified()`"),
    function("isLoopback", None, Some(0), "`ip(source.address).isLoopback()`"),
    function("isLinkLocalMulticast", None, Some(0), "`ip(source.address).isLinkLocalMulticast()`"),
    function("isLinkLocalUnicast", None, Some(0), "`ip(source.address).isLinkLocalUnicast()`"),
    function("isGlobalUnicast", None, Some(0), "`ip(source.address).isGlobalUnicast()`"),
];

/// The functions whose results are no truth values.
pub(super) const NEVER_BOOL: [&str; 5] = ["cidr", "ip", "masked", "prefixLength", "family"];

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ip(IpAddr);

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cidr(Network);

macro_rules! value {
    ($name:ident, $type:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$type
            }

            fn cel_type() -> &'static Type {
                &$type
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<Self>().is_some_and(|other| self == other)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(*self)
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }

        impl StaticVal for $name {}
    };
}

value!(Ip, IP_TYPE);
value!(Cidr, CIDR_TYPE);

/// Parses an address.
pub(super) fn parse_ip(text: &str) -> Option<IpAddr> {
    let is_mapped = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    text.parse().ok().filter(|address| !is_mapped(address))
}

fn to_ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    parse_ip(text.inner()).map(Ip).ok_or_else(|| ExecutionError::function_error("ip", "not an IP address"))
}

fn to_cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    text.inner().parse().map(Cidr).map_err(|_| ExecutionError::function_error("cidr", "not a network"))
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    parse_ip(text.inner()).is_some().into()
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    text.inner().parse::<Network>().is_ok().into()
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok((to_ip(text)?.0.to_string() == text.inner()).into())
}

fn contains_ip(cidr: &Cidr, ip: &Ip) -> CelBool {
    cidr.0.contains(ip.0).into()
}

fn contains_ip_text(cidr: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(cidr, &to_ip(text)?))
}

fn contains_cidr(cidr: &Cidr, other: &Cidr) -> CelBool {
    cidr.0.contains_network(&other.0).into()
}

fn contains_cidr_text(cidr: &Cidr, text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(cidr, &to_cidr(text)?))
}

fn ip_of_cidr(cidr: &Cidr) -> Ip {
    Ip(cidr.0.address())
}

fn masked(cidr: &Cidr) -> Cidr {
    Cidr(cidr.0.masked())
}

fn prefix_length(cidr: &Cidr) -> CelInt {
    i64::from(cidr.0.prefix()).into()
}

fn family(ip: &Ip) -> CelInt {
    if ip.0.is_ipv4() { 4.into() } else { 6.into() }
}

fn is_unspecified(ip: &Ip) -> CelBool {
    ip.0.is_unspecified().into()
}

fn is_loopback(ip: &Ip) -> CelBool {
    ip.0.is_loopback().into()
}

fn is_link_local_multicast(ip: &Ip) -> CelBool {
    let is = match ip.0 {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        // The scope of a multicast address is in its second octet (RFC 4291 §2.7).
        IpAddr::V6(address) => matches!(address.octets(), [0xff, scope, ..] if scope & 0x0f == 2),
    };
    is.into()
}

fn link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

fn is_link_local_unicast(ip: &Ip) -> CelBool {
    link_local_unicast(ip.0).into()
}

/// Private networks count as global, as in Go.
fn is_global_unicast(ip: &Ip) -> CelBool {
    let address = ip.0;
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let is_other = address.is_unspecified() || address.is_loopback() || address.is_multicast();
    (!is_broadcast && !is_other && !link_local_unicast(address)).into()
}

fn ip_text(ip: &Ip) -> CelString<'static> {
    CelString::from(ip.0.to_string())
}

fn cidr_text(cidr: &Cidr) -> CelString<'static> {
    CelString::from(cidr.0.to_string())
}

/// Adds the functions to an environment.
pub(super) fn add_to(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn to_ip: (CelString) -> Result<Ip>, name = "ip")?;
    add_overload!(env, fn to_cidr: (CelString) -> Result<Cidr>, name = "cidr")?;
    add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    add_overload!(env, fn ip_text: (Ip) -> CelString, name = "string")?;
    add_overload!(env, fn cidr_text: (Cidr) -> CelString, name = "string")?;
    add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    add_member_overload!(env, fn contains_ip_text: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    add_member_overload!(env, fn contains_cidr_text: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    add_member_overload!(env, fn ip_of_cidr: (Cidr) -> Ip, name = "ip")?;
    add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)?;
    add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    Ok(())
}
