//! Lines that hang below lines.

use super::Paint;

/// A line of text and what hangs below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    line: String,
    below: Vec<Tree>,
}

impl Tree {
    /// A line with nothing below it yet.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), below: Vec::new() }
    }

    /// Hangs something below it.
    pub fn add(&mut self, below: Self) {
        self.below.push(below);
    }

    /// Hangs a single line below it.
    pub fn leaf(&mut self, line: impl Into<String>) {
        self.add(Self::new(line));
    }

    /// It with these below it.
    #[must_use]
    pub fn with(mut self, below: impl IntoIterator<Item = Self>) -> Self {
        self.below.extend(below);
        self
    }

    /// Every line, joined by branches.
    pub fn lines(&self, paint: Paint) -> String {
        let mut lines = format!("{}\n", self.line);
        self.branches("", paint, &mut lines);
        lines
    }

    fn branches(&self, front: &str, paint: Paint, lines: &mut String) {
        let last = self.below.len().saturating_sub(1);
        for (place, below) in self.below.iter().enumerate() {
            let (branch, beside) = if place == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            lines.push_str(&paint.faint(format!("{front}{branch}")));
            lines.push_str(&below.line);
            lines.push('\n');
            below.branches(&format!("{front}{beside}"), paint, lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_lead_to_every_line() {
        let tree = Tree::new("a").with([Tree::new("b").with([Tree::new("c"), Tree::new("d")]), Tree::new("e").with([Tree::new("f")])]);
        let expected = "\
a
├─ b
│  ├─ c
│  └─ d
└─ e
   └─ f
";
        assert_eq!(tree.lines(Paint::new(false)), expected);
    }
}
