//! Tables in plain text: columns aligned by blanks, without borders.

use std::fmt;

use super::width::columns;

/// Between two columns.
const GAP: &str = "  ";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows under titles. `Display` ends every line, and leaves no blanks at the end of one.
#[derive(Clone, Debug, Default)]
pub struct Table {
    aligns: Vec<Align>,
    /// The titles are the first one.
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<T: Into<String>>(titles: impl IntoIterator<Item = (T, Align)>) -> Self {
        let (titles, aligns) =
            titles.into_iter().map(|(title, align)| (title.into(), align)).unzip();
        Self { aligns, rows: vec![titles] }
    }

    /// Adds a row; cells that are missing are empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut row: Vec<String> = cells.into_iter().map(Into::into).collect();
        debug_assert!(row.len() <= self.aligns.len(), "more cells than titles: {row:?}");
        row.resize(self.aligns.len(), String::new());
        self.rows.push(row);
    }

    /// Whether there is nothing but titles.
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |column: usize| self.rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                if column > 0 {
                    line.push_str(GAP);
                }
                let blanks = " ".repeat(widths[column] - columns(cell));
                match self.aligns[column] {
                    Align::Left => line.extend([cell, blanks.as_str()]),
                    Align::Right => line.extend([blanks.as_str(), cell]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_by_columns_of_the_terminal() {
        let mut table =
            Table::new([("image", Align::Left), ("time", Align::Right), ("digest", Align::Left)]);
        assert!(table.is_empty());
        table.row(["base", "94.1 s", "3f2a"]);
        table.row(["日本", "1 min 40 s"]);
        table.row(["", "", "x"]);
        assert_eq!(
            table.to_string(),
            "image        time  digest\nbase       94.1 s  3f2a\n日本   1 min 40 s\n                   x\n"
        );
    }
}
