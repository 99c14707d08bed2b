//! One registry as we know it so far: its address, its connections, how it wants to be authorised, and its tokens.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ureq::Agent;
use ureq::http::Uri;

use super::challenge::Challenge;
use super::token::Token;

/// Whether a registry may be spoken to without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Never,
    /// This machine: TLS where it is spoken, and then verified; else without.
    Loopback,
    /// What the engine calls insecure: TLS without verification where it is spoken, else without.
    Insecure,
}

pub(super) struct Host {
    /// As references write it.
    pub(super) name: String,
    /// Where its API is.
    pub(super) authority: String,
    pub(super) plain: Plain,
    /// `https://AUTHORITY` or `http://AUTHORITY`, once that is known.
    pub(super) base: OnceLock<Uri>,
    /// Held while that is found out, so that a registry is asked once.
    pub(super) finding: Mutex<()>,
    pub(super) agent: OnceLock<Agent>,
    known: Mutex<Known>,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) challenge: Option<Challenge>,
    /// By their scopes.
    pub(super) tokens: BTreeMap<Vec<String>, Token>,
}

impl Host {
    pub(super) fn new(name: &str, insecure: &[String]) -> Self {
        let authority = if name == "docker.io" { "registry-1.docker.io" } else { name };
        Self {
            name: name.to_owned(),
            authority: authority.to_owned(),
            plain: plain(name, insecure),
            base: OnceLock::new(),
            finding: Mutex::default(),
            agent: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its name has a port, so that there is one address for both schemes.
    pub(super) fn has_port(&self) -> bool {
        bare(&self.authority) != self.authority.trim_matches(['[', ']'])
    }
}

/// By the rules of `moby/registry`: this machine and what the engine calls insecure. Names are not resolved.
pub(super) fn plain(name: &str, insecure: &[String]) -> Plain {
    let bare = bare(name);
    let address: Option<IpAddr> = bare.parse().ok();
    let loopback = match address {
        Some(IpAddr::V4(address)) => address.is_loopback(),
        Some(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        None => bare.eq_ignore_ascii_case("localhost"),
    };
    if loopback {
        return Plain::Loopback;
    }
    let listed = insecure.iter().any(|entry| {
        entry.eq_ignore_ascii_case(name)
            || entry.eq_ignore_ascii_case(bare)
            || address.is_some_and(|address| within(address, entry))
    });
    if listed { Plain::Insecure } else { Plain::Never }
}

/// Without port and brackets.
fn bare(name: &str) -> &str {
    match name.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => name.split(':').next().unwrap_or_default(),
    }
}

fn within(address: IpAddr, cidr: &str) -> bool {
    let Some((network, bits)) = cidr.split_once('/') else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_left_only_where_docker_allows_it() {
        let insecure =
            ["10.1.0.0/16", "reg.lab:5000", "old.lab", "::1/128", "fd00::/8", "127.0.0.0/8"];
        let insecure = insecure.map(str::to_owned);
        for (name, expected) in [
            ("localhost", Plain::Loopback),
            ("LOCALHOST:5000", Plain::Loopback),
            ("127.0.0.1:5000", Plain::Loopback),
            ("127.8.9.1", Plain::Loopback),
            ("[::1]:5000", Plain::Loopback),
            ("10.1.2.3:80", Plain::Insecure),
            ("10.2.2.3:80", Plain::Never),
            ("reg.lab:5000", Plain::Insecure),
            ("reg.lab:5001", Plain::Never),
            ("old.lab:443", Plain::Insecure),
            ("[fd12::1]:443", Plain::Insecure),
            ("[fe80::1]", Plain::Never),
            ("localhost.evil.test", Plain::Never),
            ("127.0.0.1.evil.test", Plain::Never),
            ("docker.io", Plain::Never),
        ] {
            assert_eq!(plain(name, &insecure), expected, "{name}");
        }
        assert_eq!(plain("9.9.9.9", &["0.0.0.0/0".into()]), Plain::Insecure);
    }

    #[test]
    fn ports_are_seen() {
        for (name, port) in
            [("a.test", false), ("a.test:1", true), ("[::1]", false), ("[::1]:5", true)]
        {
            assert_eq!(Host::new(name, &[]).has_port(), port, "{name}");
        }
    }
}
