//! Has somebody asked us to stop?
//!
//! Ctrl-C, `kill` and a closed terminal only set a flag; whoever runs children looks at it, ends them and returns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Starts to listen, once a process. Everything that waits for a child calls it; `main` may, to listen from the start.
pub fn listen() {
    ASKED.get_or_init(|| {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // A signal that cannot be listened to keeps its own effect, which is to end us.
            let _unheard = signal_hook::flag::register(*signal, Arc::clone(&asked));
        }
        asked
    });
}

/// Whether we were asked to stop since [`listen`]. Exit status 130 is then due.
pub fn interrupted() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}

#[cfg(unix)]
const SIGNALS: &[i32] =
    &[signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: &[i32] = &[signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
