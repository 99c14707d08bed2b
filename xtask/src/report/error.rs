//! The last words of a command that went wrong.

use anstyle::{AnsiColor, Style};

use crate::engine::NotFound;
use crate::mistake::Mistakes;

/// Says on stderr what went wrong, and how it is mended.
pub fn error(error: &anyhow::Error) {
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    if let Some(mistakes) = error.downcast_ref::<Mistakes>() {
        for mistake in mistakes.clone() {
            anstream::eprintln!("{red}error{red:#}: {mistake}");
        }
    } else if let Some(not_found) = error.downcast_ref::<NotFound>() {
        anstream::eprintln!(
            "{red}error{red:#}: {}\n  mend: {}",
            not_found.what(),
            not_found.mend()
        );
    } else {
        anstream::eprintln!("{red}error{red:#}: {error:#}");
    }
}
