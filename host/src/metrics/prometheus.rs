//! Numbers as Prometheus reads them.
//!
//! The form is that of <https://prometheus.io/docs/instrumenting/exposition_formats/>, version 0.0.4.

use std::fmt::{Display, Write};

use super::family::{Distribution, Family, Labels, Values};

/// The families as one text.
pub fn text(families: &[Family]) -> String {
    let mut text = Text::default();
    for Family { name, help, values } in families {
        match values {
            Values::Counter(values) => text.family(name, "counter", help, values),
            Values::Gauge(values) => text.family(name, "gauge", help, values),
            Values::Histogram(values) => {
                text.head(name, "histogram", help);
                for (labels, value) in values {
                    text.distribution(name, labels, value);
                }
            }
        }
    }
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str, values: &[(Labels, u64)]) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.line(name, labels, None, value);
        }
    }

    fn distribution(&mut self, name: &str, labels: &Labels, value: &Distribution) {
        let bounds = Distribution::bounds().iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut so_far = 0;
        for (bound, count) in bounds.zip(value.counts) {
            so_far += count;
            self.line(&format!("{name}_bucket"), labels, Some(&bound), so_far);
        }
        self.line(&format!("{name}_sum"), labels, None, value.sum);
        self.line(&format!("{name}_count"), labels, None, value.count());
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &Labels, bound: Option<&str>, value: impl Display) {
        let labels = labels.iter().map(|(label, value)| (*label, value.as_str())).chain(bound.map(|bound| ("le", bound)));
        let labels: Vec<String> = labels.map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Durations;

    #[test]
    fn a_text_is_in_the_form_that_is_read() {
        let durations = Durations::default();
        durations.add(std::time::Duration::from_secs(2));
        let text = text(&[
            Family::counter("a_total", "What it is.", [(vec![("x", "1".into()), ("y", "a\"b\\c\nd".into())], 7)]),
            Family::gauge("b", "Another.", [(vec![], 5)]),
            Family::histogram("c_seconds", "How long.", [(vec![("source", "cli".into())], Distribution::from(&durations))]),
        ]);
        let begins = "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"1\",y=\"a\\\"b\\\\c\\nd\"} 7\n\
                      # HELP b Another.\n# TYPE b gauge\nb 5\n# HELP c_seconds How long.\n# TYPE c_seconds histogram\n\
                      c_seconds_bucket{source=\"cli\",le=\"0.0001\"} 0\n";
        assert!(text.starts_with(begins), "{text}");
        let ends = "c_seconds_bucket{source=\"cli\",le=\"1\"} 0\nc_seconds_bucket{source=\"cli\",le=\"3\"} 1\n\
                    c_seconds_bucket{source=\"cli\",le=\"10\"} 1\nc_seconds_bucket{source=\"cli\",le=\"30\"} 1\n\
                    c_seconds_bucket{source=\"cli\",le=\"+Inf\"} 1\nc_seconds_sum{source=\"cli\"} 2\nc_seconds_count{source=\"cli\"} 1\n";
        assert!(text.ends_with(ends), "{text}");
    }
}
