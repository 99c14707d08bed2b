//! When is something tried again? Exponential backoff with full jitter, or what the registry asks for.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::Limits;

/// How long to wait after `failed` attempts and `elapsed` time; nothing when it is time to give up. `asked_for` is the
/// registry's `Retry-After`, `random` is from 0 to 1.
pub(super) fn pause(
    limits: &Limits,
    failed: u32,
    elapsed: Duration,
    asked_for: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    if failed >= limits.attempts {
        return None;
    }
    let pause = match asked_for {
        // A little more, so that all who were sent away do not come back at once.
        Some(asked_for) => asked_for.saturating_add(limits.first_pause.mul_f64(random)),
        None => {
            let doubled = limits.first_pause.saturating_mul(1 << (failed - 1).min(20));
            doubled.min(limits.longest_pause).mul_f64(random)
        }
    };
    (elapsed.saturating_add(pause) <= limits.total).then_some(pause)
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// From 0 to 1, different in each process and call.
pub(super) fn random() -> f64 {
    let number = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(number).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            total: 60 * SECOND,
            attempts: 5,
            first_pause: SECOND,
            longest_pause: 5 * SECOND,
            ..Limits::default()
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end() {
        let longest: Vec<_> =
            (1..=5).map(|failed| pause(&limits(), failed, SECOND, None, 1.0)).collect();
        let seconds = [1, 2, 4, 5].map(|seconds| Some(seconds * SECOND));
        assert_eq!(longest[..4], seconds);
        assert_eq!(longest[4], None, "the fifth attempt was the last");
        assert_eq!(pause(&limits(), 3, SECOND, None, 0.0), Some(Duration::ZERO));
        assert_eq!(pause(&limits(), 4, 56 * SECOND, None, 1.0), None, "it would be too late");
        let huge = Limits { attempts: u32::MAX, ..limits() };
        assert_eq!(pause(&huge, u32::MAX - 1, SECOND, None, 1.0), Some(5 * SECOND));
    }

    #[test]
    fn the_registry_may_say_when() {
        assert_eq!(pause(&limits(), 1, SECOND, Some(20 * SECOND), 0.0), Some(20 * SECOND));
        assert_eq!(pause(&limits(), 1, SECOND, Some(20 * SECOND), 1.0), Some(21 * SECOND));
        assert_eq!(pause(&limits(), 1, SECOND, Some(Duration::MAX), 1.0), None);
        let now: Timestamp = "2015-10-21T07:27:00Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:26:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
            ("1.5", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn random_numbers_differ_and_stay_in_bounds() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{numbers:?}");
        assert!(numbers.iter().any(|number| (number - numbers[0]).abs() > 0.1), "{numbers:?}");
    }
}
