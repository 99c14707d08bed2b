//! What became of a target.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// As `build --json` names them, and in the order of the totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Built,
    Skipped,
    Failed,
    /// It needs one that failed.
    Blocked,
    /// The run ended before its turn, or while it was built.
    NotBuilt,
}

impl Status {
    pub const ALL: [Self; 5] =
        [Self::Built, Self::Skipped, Self::Failed, Self::Blocked, Self::NotBuilt];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::NotBuilt => "not built",
        }
    }

    pub const fn symbol(self) -> char {
        match self {
            Self::Built => '✓',
            Self::Skipped => '·',
            Self::Failed => '✗',
            Self::Blocked => '⊘',
            Self::NotBuilt => '-',
        }
    }

    pub const fn style(self) -> Style {
        let style = Style::new();
        match self {
            Self::Built => style.fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green))),
            Self::Failed => style.fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red))).bold(),
            Self::Blocked => style.fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow))),
            Self::Skipped | Self::NotBuilt => style.dimmed(),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
