//! The images that a change affects.

use std::fmt::Write as _;

use serde::Serialize;

/// `affected --json`.
#[derive(Debug, Serialize)]
pub struct AffectedList {
    pub version: u32,
    pub images: Vec<AffectedJson>,
}

/// One affected image.
#[derive(Debug, Serialize)]
pub struct AffectedJson {
    pub id: String,
    pub variant: Option<String>,
    pub reasons: Vec<String>,
}

/// One line an image, and up to four reasons.
pub fn affected(images: &[AffectedJson]) -> String {
    const SHOWN: usize = 4;
    let mut text = String::new();
    for image in images {
        let variant = image.variant.as_ref().map(|variant| format!(":{variant}"));
        // Writing to a `String` cannot fail, here and below.
        let _written = writeln!(text, "{}{}", image.id, variant.unwrap_or_default());
        for reason in image.reasons.iter().take(SHOWN) {
            let _written = writeln!(text, "  {reason}");
        }
        if image.reasons.len() > SHOWN {
            let _written = writeln!(text, "  and {} more", image.reasons.len() - SHOWN);
        }
    }
    text
}
