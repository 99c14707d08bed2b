//! Why an image is stale, or when it was built.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::human;
use crate::plan::Change;

/// `why --json`.
#[derive(Debug, Serialize)]
pub struct WhyList {
    pub version: u32,
    pub images: Vec<WhyJson>,
}

/// One image of `why`.
#[derive(Debug, Serialize)]
pub struct WhyJson {
    pub id: String,
    pub variant: Option<String>,
    pub up_to_date: bool,
    /// As `plan` has them.
    pub reasons: Vec<String>,
    /// Every input that is not what it was when the image was last built.
    pub changes: Vec<Change>,
    /// RFC 3339.
    pub built_at: Option<String>,
    /// The reasons of the last build.
    pub built_because: Vec<String>,
    /// How long it took.
    pub seconds: Option<f64>,
    pub digest: Option<String>,
}

/// One paragraph an image.
pub fn why(images: &[WhyJson]) -> String {
    let mut text = String::new();
    for image in images {
        let name = match &image.variant {
            Some(variant) => format!("{}:{variant}", image.id),
            None => image.id.clone(),
        };
        let state = if image.up_to_date { "is up to date" } else { "is stale" };
        // Writing to a `String` cannot fail, here and below.
        let _written = writeln!(text, "{name} {state}");
        if image.changes.is_empty() {
            for reason in &image.reasons {
                let _written = writeln!(text, "  {reason}");
            }
        }
        for change in &image.changes {
            let _written = writeln!(text, "  {change}");
        }
        if let (Some(at), Some(seconds)) = (&image.built_at, image.seconds) {
            let time = human::seconds(Duration::from_secs_f64(seconds));
            let _written = writeln!(text, "  last built {at}, in {time}, because:");
            for reason in &image.built_because {
                let _written = writeln!(text, "    {reason}");
            }
        }
    }
    text
}
