//! Numbers as an OpenTelemetry collector takes them: an `ExportMetricsServiceRequest` in the JSON encoding of OTLP 1.
//!
//! The form is that of <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>: names of fields in lower camel case, enums by their
//! numbers, 64-bit whole numbers as decimal text.

use serde_json::{Value, json};

use super::family::{Distribution, Family, Labels, Values};
use crate::time::Timestamp;

/// Which agent the numbers are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The same for one user's agents, one after another, and no other's; tells nothing else.
    pub instance: String,
    /// From when on everything is counted.
    pub started: Timestamp,
}

/// The families, as they are `now`, as the body of one request.
pub fn request(families: &[Family], subject: &Subject, now: Timestamp) -> String {
    let point = Point { started: subject.started, now };
    let metrics: Vec<_> = families.iter().filter_map(|family| point.metric(family)).collect();
    let resource =
        [("service.name", NAME.to_owned()), ("service.version", VERSION.to_owned()), ("service.instance.id", subject.instance.clone())];
    json!({
        "resourceMetrics": [{
            "resource": { "attributes": attributes(&resource) },
            "scopeMetrics": [{ "scope": { "name": NAME, "version": VERSION }, "metrics": metrics }],
        }],
    })
    .to_string()
}

/// The moments of a number.
#[derive(Clone, Copy)]
struct Point {
    started: Timestamp,
    now: Timestamp,
}

impl Point {
    /// None without a number: a metric without data says nothing.
    fn metric(self, family: &Family) -> Option<Value> {
        let (kind, mut data, points) = match &family.values {
            Values::Counter(values) => {
                let data = json!({ "isMonotonic": true, "aggregationTemporality": CUMULATIVE });
                ("sum", data, values.iter().map(|(labels, value)| self.since_the_start(labels, &whole(*value))).collect::<Vec<_>>())
            }
            Values::Gauge(values) => {
                ("gauge", json!({}), values.iter().map(|(labels, value)| self.point(labels, &whole(*value))).collect())
            }
            Values::Histogram(values) => {
                let data = json!({ "aggregationTemporality": CUMULATIVE });
                ("histogram", data, values.iter().map(|(labels, value)| self.since_the_start(labels, &distribution(value))).collect())
            }
        };
        if points.is_empty() {
            return None;
        }
        data["dataPoints"] = points.into();
        let mut metric = json!({ "name": family.name, "description": family.help, kind: data });
        if family.name.ends_with("_seconds") {
            metric["unit"] = "s".into();
        }
        Some(metric)
    }

    fn point(self, labels: &Labels, value: &Value) -> Value {
        let mut point = value.clone();
        point["timeUnixNano"] = nanos(self.now).into();
        point["attributes"] = attributes(labels);
        point
    }

    fn since_the_start(self, labels: &Labels, value: &Value) -> Value {
        let mut point = self.point(labels, value);
        point["startTimeUnixNano"] = nanos(self.started).into();
        point
    }
}

fn whole(value: u64) -> Value {
    json!({ "asInt": value.to_string() })
}

fn distribution(value: &Distribution) -> Value {
    json!({
        "count": value.count().to_string(),
        "sum": value.sum,
        "bucketCounts": value.counts.map(|count| count.to_string()),
        "explicitBounds": Distribution::bounds(),
    })
}

fn attributes(labels: &[(&'static str, String)]) -> Value {
    labels.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

fn nanos(at: Timestamp) -> String {
    (u128::from(at.millis()) * 1_000_000).to_string()
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u8 = 2;

const NAME: &str = "flytoken";

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{http::REQUEST_BYTES, metrics::Durations};

    fn subject() -> Subject {
        Subject { instance: "ab".repeat(16), started: Timestamp::from_millis(1_544_712_660_300) }
    }

    /// What is said of these families ten seconds later.
    fn metrics(families: &[Family]) -> Value {
        let text = request(families, &subject(), subject().started.after(Duration::from_secs(10)));
        let mut body: Value = serde_json::from_str(&text).unwrap();
        body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].take()
    }

    #[test]
    fn a_request_says_whose_numbers_they_are() {
        let body: Value = serde_json::from_str(&request(&[], &subject(), subject().started)).unwrap();
        assert_eq!(
            body,
            json!({ "resourceMetrics": [{
                "resource": { "attributes": [
                    { "key": "service.name", "value": { "stringValue": "flytoken" } },
                    { "key": "service.version", "value": { "stringValue": VERSION } },
                    { "key": "service.instance.id", "value": { "stringValue": "ab".repeat(16) } },
                ] },
                "scopeMetrics": [{ "scope": { "name": "flytoken", "version": VERSION }, "metrics": [] }],
            }] })
        );
    }

    #[test]
    fn each_kind_of_number_is_in_the_form_that_is_taken() {
        let durations = Durations::default();
        for millis in [0, 1, 2, 100_000] {
            durations.add(Duration::from_millis(millis));
        }
        let labels = || vec![("source", "cli".to_owned())];
        let attributes = json!([{ "key": "source", "value": { "stringValue": "cli" } }]);
        let families = [
            Family::counter("a_total", "What it is.", [(labels(), u64::MAX)]),
            Family::gauge("b", "Another.", [(vec![], 5)]),
            Family::gauge("nothing", "No number.", []),
            Family::histogram("c_seconds", "How long.", [(labels(), Distribution::from(&durations))]),
        ];
        let (start, now) = ("1544712660300000000", "1544712670300000000");
        assert_eq!(
            metrics(&families),
            json!([
                { "name": "a_total", "description": "What it is.", "sum": {
                    "isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [
                        { "asInt": "18446744073709551615", "startTimeUnixNano": start, "timeUnixNano": now, "attributes": attributes },
                    ],
                } },
                { "name": "b", "description": "Another.", "gauge": { "dataPoints": [
                    { "asInt": "5", "timeUnixNano": now, "attributes": [] },
                ] } },
                { "name": "c_seconds", "description": "How long.", "unit": "s", "histogram": {
                    "aggregationTemporality": 2, "dataPoints": [{
                        "count": "4", "sum": 100.003, "startTimeUnixNano": start, "timeUnixNano": now, "attributes": attributes,
                        "bucketCounts": ["1", "0", "1", "1", "0", "0", "0", "0", "0", "0", "0", "0", "1"],
                        "explicitBounds": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0],
                    }],
                } },
            ])
        );
    }

    #[test]
    fn the_numbers_of_as_many_sources_as_there_may_be_fit_one_request() {
        // As long as a source's name may be, and greater numbers than there are.
        let sources: Vec<Labels> =
            (0..64).map(|number| vec![("source", format!("s{number:031}")), ("outcome", "misconfigured".into())]).collect();
        let many = || sources.iter().map(|labels| (labels.clone(), u64::MAX));
        let mut families: Vec<Family> = (0..8).map(|_| Family::counter("flytoken_source_outcomes_total", "What it is.", many())).collect();
        let longest = Distribution { counts: [u64::MAX / 13; 13], sum: 1.0 / 3.0 };
        let of_each = sources.iter().map(|labels| (labels.clone(), longest.clone()));
        families.push(Family::histogram("flytoken_source_call_duration_seconds", "How long.", of_each));
        let length = request(&families, &subject(), subject().started).len();
        assert!(length < REQUEST_BYTES - 32 * 1024, "{length} bytes");
    }
}
