//! Can the builder resolve a base from its registry?

use std::time::Duration;

use super::builder::Builder;
use super::docker::Engine;
use super::image::path_segment;
use crate::reference::Reference;

/// What became of asking a registry for a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Resolved,
    /// The registry answered: there is no such image, or it is not for us. `said` is its word.
    Refused {
        said: String,
    },
    /// Nobody answered: no name, no route, no TLS, or no end within the limit.
    Unreachable {
        said: String,
    },
}

/// Asks for `reference` the way the builder would: through the engine where BuildKit is inside it (its mirrors count),
/// else with `imagetools`. `limit` is for the whole question; 5 s are plenty.
pub fn registry(
    engine: &Engine,
    builder: &Builder,
    reference: &Reference,
    limit: Duration,
) -> Reach {
    if builder.sees_engine_images() && engine.http.is_some() {
        return through_engine(engine, reference, limit);
    }
    let command = engine.buildx().args([
        "imagetools",
        "inspect",
        "--builder",
        &builder.name,
        "--raw",
        &reference.to_string(),
    ]);
    match command.read_within(limit) {
        Ok(_) => Reach::Resolved,
        Err(failure) => {
            let said = failure.last_line().map_or_else(|| failure.why.to_string(), str::to_owned);
            let said = said.trim_start_matches("ERROR: ").to_owned();
            if failure.is_timeout() || !is_refusal(&said) {
                Reach::Unreachable { said }
            } else {
                Reach::Refused { said }
            }
        }
    }
}

/// `GET /distribution/NAME/json` of the Engine API.
fn through_engine(engine: &Engine, reference: &Reference, limit: Duration) -> Reach {
    let path = format!("/distribution/{}/json", path_segment(&reference.to_string()));
    match engine.ask_within("GET", &path, limit) {
        Ok(answer) if answer.status == 200 => Reach::Resolved,
        Ok(answer) => {
            let said = answer.message();
            if is_refusal(&said) || matches!(answer.status, 401 | 403 | 404) {
                Reach::Refused { said }
            } else {
                Reach::Unreachable { said }
            }
        }
        Err(error) => Reach::Unreachable { said: format!("{:#}", error.root_cause()) },
    }
}

/// Whether a registry said this, in the words of its own error codes (OCI distribution spec, «Error Codes») or of
/// containerd's and BuildKit's resolver.
fn is_refusal(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    // Names that do not resolve are «not found» too, in some resolvers' words.
    let network = ["dial tcp", "lookup ", "no such host", "tls: ", "x509: ", "timeout", "i/o "];
    let refusals = [
        "not found",
        "unauthorized",
        "denied",
        "forbidden",
        "manifest unknown",
        "name unknown",
        "authentication required",
        "insufficient_scope",
        "authorization failed",
        "no basic auth",
        "401",
        "403 ",
        "404",
        "429",
        "toomanyrequests",
        "too many requests",
    ];
    !network.iter().any(|word| said.contains(word))
        && refusals.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::is_refusal;

    #[test]
    fn an_answer_is_told_from_silence() {
        for (said, refusal) in [
            ("docker.io/library/nope:1: not found", true),
            ("pull access denied, repository does not exist or may require authorization", true),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
                true,
            ),
            ("manifest unknown", true),
            ("toomanyrequests: You have reached your pull rate limit", true),
            (
                "Head \"https://ghcr.io/v2/x\": dial tcp: lookup ghcr.io on 10.0.0.1:53: no such host",
                false,
            ),
            ("net/http: TLS handshake timeout", false),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                false,
            ),
            ("dial tcp 127.0.0.1:5999: connect: connection refused", false),
        ] {
            assert_eq!(is_refusal(said), refusal, "{said}");
        }
    }
}
