//! How a container is, as the engine says it. Pure.

use std::fmt;

use serde_json::Value;

/// A container's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub running: bool,
    /// Whether its program was ever started.
    pub started: bool,
    /// The status that its program ended with, or 0.
    pub exit: i64,
    pub out_of_memory: bool,
    /// What the engine says went wrong.
    pub error: String,
    /// The ports of this machine that lead to the published one.
    pub ports: Vec<u16>,
    /// The image's entry point, or what took its place.
    pub entrypoint: Vec<String>,
}

impl State {
    /// Of `docker container inspect`.
    pub(super) fn parse(json: &Value) -> Self {
        let state = &json["State"];
        let ports = json["NetworkSettings"]["Ports"].as_object().into_iter().flatten();
        let published = ports.flat_map(|(_, hosts)| hosts.as_array().into_iter().flatten());
        let words = json["Config"]["Entrypoint"].as_array().into_iter().flatten();
        Self {
            running: state["Running"] == true,
            // Go's zero time stands for «never».
            started: state["StartedAt"].as_str().is_some_and(|time| !time.starts_with("0001-")),
            exit: state["ExitCode"].as_i64().unwrap_or_default(),
            out_of_memory: state["OOMKilled"] == true,
            error: state["Error"].as_str().unwrap_or_default().to_owned(),
            ports: published
                .filter_map(|host| host["HostPort"].as_str()?.parse::<u16>().ok())
                .collect(),
            entrypoint: words.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

impl fmt::Display for State {
    /// Completes «the container …».
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { running: true, .. } => f.write_str("runs"),
            Self { started: false, .. } => f.write_str("was never started"),
            Self { out_of_memory: true, .. } => f.write_str("ended because it was out of memory"),
            _ => write!(f, "ended with status {}", self.exit),
        }?;
        if self.error.is_empty() { Ok(()) } else { write!(f, ": {}", self.error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says() {
        let json = serde_json::json!({
            "State": { "Running": false, "StartedAt": "2026-11-21T05:00:57Z", "ExitCode": 3, "Error": "" },
            "NetworkSettings": { "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "32768" }], "81/tcp": null } },
            "Config": { "Entrypoint": ["tini", "--"] },
        });
        let state = State::parse(&json);
        assert_eq!((state.started, state.exit, state.ports.as_slice()), (true, 3, &[32768][..]));
        assert_eq!(state.entrypoint, ["tini", "--"]);
        assert_eq!(state.to_string(), "ended with status 3");
        let never = State::parse(&serde_json::json!({
            "State": { "StartedAt": "0001-01-01T00:00:00Z", "ExitCode": 127, "Error": "no such file" },
        }));
        assert_eq!(never.to_string(), "was never started: no such file");
    }
}
