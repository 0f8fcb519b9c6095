//! Numbers as Prometheus reads them.
//!
//! The form is that of <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4. Labels are words of ours and names of
//! sources, of which there are at most 64; no app's name ever is one: there may be any number of those, and they are nobody's who scrapes.

use std::fmt::{Display, Write};

use crate::counts::{BOUNDS, Durations};

/// A text with numbers.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// A number that only grows, once for each of these labels.
    pub fn counter<'a>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, u64)>) {
        self.family(name, "counter", help, values);
    }

    /// A number that grows and falls, once for each of these labels.
    pub fn gauge<'a, V: Display>(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, V)>) {
        self.family(name, "gauge", help, values);
    }

    /// How long something took, once for each value of one label.
    pub fn histogram<'a>(&mut self, name: &str, help: &str, label: &str, values: impl IntoIterator<Item = (&'a str, &'a Durations)>) {
        self.head(name, "histogram", help);
        for (value, durations) in values {
            let cumulative = durations.cumulative();
            let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (bound, count) in bounds.zip(cumulative) {
                self.line(&format!("{name}_bucket"), &[(label, value), ("le", &bound)], count);
            }
            self.line(&format!("{name}_sum"), &[(label, value)], durations.seconds());
            self.line(&format!("{name}_count"), &[(label, value)], cumulative[BOUNDS.len()]);
        }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }

    fn family<'a, V: Display>(&mut self, name: &str, kind: &str, help: &str, values: impl IntoIterator<Item = (Labels<'a>, V)>) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.line(name, &labels, value);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

/// Names of labels and their values.
pub type Labels<'a> = Vec<(&'a str, &'a str)>;

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_the_form_that_is_read() {
        let durations = Durations::default();
        durations.add(std::time::Duration::from_secs(2));
        let mut text = Exposition::default();
        text.counter("a_total", "What it is.", [(vec![("x", "1"), ("y", "a\"b\\c\nd")], 7)]);
        text.gauge("b", "Another.", [(vec![], 0.5)]);
        text.histogram("c_seconds", "How long.", "source", [("cli", &durations)]);
        let text = text.into_text();
        let begins = "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 7\n\
                      # HELP b Another.\n# TYPE b gauge\nb 0.5\n# HELP c_seconds How long.\n# TYPE c_seconds histogram\n\
                      c_seconds_bucket{source=\"cli\",le=\"0.0001\"} 0\n";
        assert!(text.starts_with(begins), "{text}");
        let ends = "c_seconds_bucket{source=\"cli\",le=\"1\"} 0\nc_seconds_bucket{source=\"cli\",le=\"3\"} 1\n\
                    c_seconds_bucket{source=\"cli\",le=\"10\"} 1\nc_seconds_bucket{source=\"cli\",le=\"30\"} 1\n\
                    c_seconds_bucket{source=\"cli\",le=\"+Inf\"} 1\nc_seconds_sum{source=\"cli\"} 2\nc_seconds_count{source=\"cli\"} 1\n";
        assert!(text.ends_with(ends), "{text}");
    }
}
