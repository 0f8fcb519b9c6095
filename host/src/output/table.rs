//! Columns that line up, coloured or not.

use super::Paint;

/// Rows of text in columns, the last of which may be of any length.
#[derive(Debug)]
pub struct Table {
    paint: Paint,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With a row of headings; without one if there are none.
    pub fn new<const N: usize>(paint: Paint, headings: [&str; N]) -> Self {
        let headings = (N > 0).then(|| headings.map(|heading| paint.faint(heading)).to_vec());
        Self { paint, rows: headings.into_iter().collect() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// Adds a row of a name and what there is to say of it.
    pub fn fact(&mut self, name: &str, text: impl Into<String>) {
        let name = self.paint.faint(name);
        self.rows.push(vec![name, text.into()]);
    }

    /// Every row as a line.
    pub fn lines(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
            .collect();
        let mut lines = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, most) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', most - width(cell) + GAP));
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
        }
        lines
    }
}

/// The width on a terminal, in columns: escape sequences have none.
fn width(text: &str) -> usize {
    let mut inside = false;
    text.chars()
        .filter(|character| {
            let shown = !inside && *character != '\u{1b}';
            inside = *character == '\u{1b}' || (inside && *character != 'm');
            shown
        })
        .count()
}

/// Blanks between two columns.
const GAP: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_with_and_without_colours() {
        for paint in [Paint::new(false), Paint::new(true)] {
            let mut table = Table::new(paint, ["STEP", "OUTCOME"]);
            table.row([paint.good("storage"), "absent".into()]);
            table.row(["cli".into(), "lease".into()]);
            let lines = table.lines();
            let columns: Vec<usize> =
                lines.lines().map(|line| width(line) - width(line.split("  ").last().unwrap().trim_start())).collect();
            assert_eq!(columns, [9, 9, 9], "{lines}");
        }
    }
}
