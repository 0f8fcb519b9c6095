//! The `metrics`: where numbers are pushed.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    build::Check,
    network_text::HeaderName,
    position::KeyPath,
    text::{DurationText, parsed},
};
use crate::metrics::{Collector, Endpoint};

/// The `metrics`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with otlp")]
pub(super) struct MetricsLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) otlp: Option<OtlpLayer>,
}

/// A collector that speaks OTLP over HTTP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with endpoint, every, ca and headers")]
pub(super) struct OtlpLayer {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<EndpointText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every: Option<DurationText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<HeaderName, HeaderFile>>,
}

/// An endpoint as text.
#[derive(Debug, Clone)]
struct EndpointText(Endpoint);

impl Serialize for EndpointText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EndpointText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "an endpoint such as http://127.0.0.1:4318", |text| Endpoint::parse(text).map(Self))
    }
}

/// Where a header's value lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{ file: PATH }`: a value does not stand in a configuration")]
struct HeaderFile {
    file: String,
}

impl OtlpLayer {
    /// Fills in what is left out.
    pub(super) fn complete(&mut self) {
        self.every.get_or_insert(DurationText(EVERY));
    }
}

impl Check<'_> {
    /// Where numbers are pushed; `path` is that of `metrics`.
    pub(super) fn collector(&mut self, layer: &MetricsLayer, path: &KeyPath, home: Option<&Path>) -> Option<Collector> {
        let (layer, path) = (layer.otlp.as_ref()?, path.key("otlp"));
        let every = layer.every.map_or(EVERY, |every| every.0);
        self.bounds(every, MIN_EVERY, MAX_EVERY, &path.key("every"));
        let headers = path.key("headers");
        self.count(layer.headers.iter().flatten().count(), MOST_HEADERS, "headers", &headers);
        let mut files = BTreeMap::new();
        for (HeaderName(name), HeaderFile { file }) in layer.headers.iter().flatten() {
            let at = headers.key(name);
            if OWN.contains(&name.as_str()) {
                self.wrong(&at, "flytoken sets this header by itself".into());
            }
            files.insert(name.clone(), self.file(file, &at.key("file"), home));
        }
        let ca = layer.ca.as_ref().map(|ca| self.file(ca, &path.key("ca"), home));
        let Some(EndpointText(endpoint)) = layer.endpoint.clone() else {
            self.wrong(&path, "the key `endpoint` is missing".into());
            return None;
        };
        if ca.is_some() && endpoint.is_in_the_clear() {
            self.wrong(&path.key("ca"), "certificates vouch for `https://` alone".into());
        }
        Some(Collector { endpoint, every, ca, headers: files })
    }
}

/// How often numbers are pushed unless something else is said: as other exporters do (<https://opentelemetry.io/docs/specs/otel/metrics/sdk/#periodic-exporting-metricreader>).
const EVERY: Duration = Duration::from_mins(1);

/// More often tells nobody more.
const MIN_EVERY: Duration = Duration::from_secs(1);

/// What comes less often is taken for gone by those who watch.
const MAX_EVERY: Duration = Duration::from_hours(1);

/// Headers of a push.
const MOST_HEADERS: usize = 16;

/// Headers of what is sent, that say what it is.
const OWN: [&str; 4] = ["content-type", "content-encoding", "accept-encoding", "user-agent"];
