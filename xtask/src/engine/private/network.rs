//! The private engine's bridge and its way out.
//!
//! dockerd's own firewall rules live in chains that all engines of a machine share, and a starting dockerd empties
//! them. Ours therefore runs with `iptables: false`, and three rules with our name on them do what its bridge needs.
//! Published ports go through `docker-proxy`. Networks that a person makes in this engine have no way out.

use std::net::Ipv4Addr;

use anyhow::Context;
use camino::Utf8PathBuf;
use serde_json::Value;

use super::super::Invocation;
use super::super::environment::Environment;
use super::programs_path;
use super::state::State;

/// A bridge, and its subnet, a `/24`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Network {
    pub(super) bridge: String,
    subnet: Ipv4Addr,
}

impl Network {
    fn address(&self) -> String {
        let [a, b, c, _] = self.subnet.octets();
        format!("{a}.{b}.{c}.1/24")
    }
}

/// Makes the bridge and the rules, or finds them.
pub(super) fn up(state: &State, environment: &Environment) -> anyhow::Result<Network> {
    let addresses = ask_ip(environment, &["addr", "show"])?;
    let network = match recorded(state) {
        Some(network)
            if is_ours(&addresses, &network)
                || !links(&addresses).any(|link| link == network.bridge) =>
        {
            network
        }
        _ => choose(&addresses, &ask_ip(environment, &["route", "show", "table", "all"])?)
            .context("no private subnet is free for the private engine's bridge")?,
    };
    let record = serde_json::to_string(&network)?;
    std::fs::write(record_file(state), record)
        .with_context(|| format!("failed to write {}", record_file(state)))?;
    let (bridge, address) = (network.bridge.as_str(), network.address());
    if !links(&addresses).any(|link| link == bridge) {
        ip(environment, &["link", "add", "name", bridge, "type", "bridge"])?;
    }
    if !is_ours(&addresses, &network) {
        ip(environment, &["addr", "add", &address, "dev", bridge])?;
    }
    ip(environment, &["link", "set", bridge, "up"])?;
    for rule in rules(&network) {
        if iptables(environment, "-C", &rule).read().is_err() {
            iptables(environment, "-I", &rule).read()?;
        }
    }
    Ok(network)
}

/// Takes both away. Whether they were there.
pub(super) fn down(state: &State, environment: &Environment) -> anyhow::Result<bool> {
    let Some(network) = recorded(state) else { return Ok(false) };
    for rule in rules(&network) {
        if iptables(environment, "-C", &rule).read().is_ok() {
            iptables(environment, "-D", &rule).read()?;
        }
    }
    let addresses = ask_ip(environment, &["addr", "show"])?;
    let there = is_ours(&addresses, &network);
    if there {
        ip(environment, &["link", "delete", &network.bridge])?;
    }
    std::fs::remove_file(record_file(state))?;
    Ok(there)
}

fn record_file(state: &State) -> Utf8PathBuf {
    state.folder().join("network.json")
}

fn recorded(state: &State) -> Option<Network> {
    serde_json::from_slice(&std::fs::read(record_file(state)).ok()?).ok()
}

/// What lets the bridge's containers out and the answers in: table, chain and the rest of each rule.
fn rules(network: &Network) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let (bridge, subnet) = (&network.bridge, format!("{}/24", network.subnet));
    let words = |text: String| {
        let comment = format!("-m comment --comment dockyard-engine-{bridge}");
        format!("{text} {comment}").split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    vec![
        ("nat", "POSTROUTING", words(format!("-s {subnet} ! -o {bridge} -j MASQUERADE"))),
        ("filter", "FORWARD", words(format!("-i {bridge} -j ACCEPT"))),
        (
            "filter",
            "FORWARD",
            words(format!("-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")),
        ),
    ]
}

fn iptables(
    environment: &Environment,
    action: &str,
    rule: &(&str, &str, Vec<String>),
) -> Invocation {
    let (table, chain, rest) = rule;
    with_programs("iptables", environment).args(["-w", "10", "-t", table, action, chain]).args(rest)
}

fn ip(environment: &Environment, args: &[&str]) -> anyhow::Result<()> {
    with_programs("ip", environment).args(args.iter().copied()).read()?;
    Ok(())
}

fn ask_ip(environment: &Environment, args: &[&str]) -> anyhow::Result<Value> {
    let command = with_programs("ip", environment).arg("-json").args(args.iter().copied());
    let text = command.read()?;
    serde_json::from_str(&text).with_context(|| format!("failed to understand `{command}`"))
}

fn with_programs(program: &str, environment: &Environment) -> Invocation {
    Invocation::new(program)
        .environment(environment.clone().with("PATH", programs_path(environment)))
}

fn links(addresses: &Value) -> impl Iterator<Item = &str> {
    addresses.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str())
}

/// Whether the bridge is there with our address: somebody else's of that name would have another.
fn is_ours(addresses: &Value, network: &Network) -> bool {
    let address = network.address();
    let links = addresses.as_array().into_iter().flatten();
    links.filter(|link| link["ifname"] == network.bridge.as_str()).any(|link| {
        let all = link["addr_info"].as_array().into_iter().flatten();
        all.filter_map(|info| info["local"].as_str())
            .any(|local| address.starts_with(&format!("{local}/")))
    })
}

/// The first name and the first private subnet that no address and no route of this machine touches.
fn choose(addresses: &Value, routes: &Value) -> Option<Network> {
    let mut taken = Vec::new();
    for link in addresses.as_array()? {
        for info in link["addr_info"].as_array().into_iter().flatten() {
            let length = info["prefixlen"].as_u64().and_then(|length| u8::try_from(length).ok());
            taken.extend(
                info["local"].as_str().and_then(|local| Some((local.parse().ok()?, length?))),
            );
        }
    }
    let destinations = routes.as_array()?.iter().filter_map(|route| route["dst"].as_str());
    taken.extend(destinations.filter_map(|destination| match destination.split_once('/') {
        Some((address, length)) => Some((address.parse().ok()?, length.parse().ok()?)),
        None => Some((destination.parse().ok()?, 32)),
    }));
    let bridge = (0..100).map(|number| format!("dockyard{number}"));
    let bridge = bridge.into_iter().find(|name| links(addresses).all(|link| link != name))?;
    let subnets =
        (16..=31).rev().flat_map(|b| (200..=204).map(move |c| Ipv4Addr::new(172, b, c, 0)));
    let more = (200..=250).map(|b| Ipv4Addr::new(10, b, 77, 0));
    let subnet =
        subnets.chain(more).find(|subnet| !taken.iter().any(|taken| overlap(*subnet, *taken)))?;
    Some(Network { bridge, subnet })
}

/// Whether the `/24` at `subnet` shares an address with the other network. The default route is none.
fn overlap(subnet: Ipv4Addr, (address, length): (Ipv4Addr, u8)) -> bool {
    let shorter = u32::from(length.min(24));
    let mask = u32::MAX.checked_shl(32 - shorter).unwrap_or(0);
    length > 0 && u32::from(subnet) & mask == u32::from(address) & mask
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chooses_what_nobody_uses() {
        let link = |name: &str, local: &str, length: u8| json!({ "ifname": name, "addr_info": [{ "local": local, "prefixlen": length }] });
        let addresses =
            json!([link("eth0", "192.0.2.2", 24), link("dockyard0", "172.31.200.1", 24)]);
        let routes = json!([{ "dst": "default" }, { "dst": "172.31.201.7" }, { "dst": "172.30.0.0/16" }, { "dst": "fe80::/64" }]);
        let chosen = choose(&addresses, &routes).unwrap();
        assert_eq!(
            (chosen.bridge.as_str(), chosen.address().as_str()),
            ("dockyard1", "172.31.202.1/24")
        );
        let none = json!([link("a", "172.16.0.1", 12), link("b", "10.0.0.1", 8)]);
        assert_eq!(choose(&none, &json!([])), None);
    }

    #[test]
    fn networks_overlap_either_way() {
        let subnet = Ipv4Addr::new(172, 31, 200, 0);
        for (address, length, overlaps) in [
            ("172.31.200.9", 32, true),
            ("172.31.200.128", 25, true),
            ("172.16.0.0", 12, true),
            ("172.31.201.0", 24, false),
            ("0.0.0.0", 0, false),
        ] {
            assert_eq!(
                overlap(subnet, (address.parse().unwrap(), length)),
                overlaps,
                "{address}/{length}"
            );
        }
    }
}
