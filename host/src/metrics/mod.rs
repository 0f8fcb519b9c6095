//! Numbers for whoever watches many agents: what is counted, as data, and the two forms in which it is read.
//!
//! Labels are words of ours and names of sources, of which there are at most 64. No app's name ever is one: there may be any number of those,
//! and they are nobody's who watches. Nothing here has a place for a token.

mod collector;
mod counts;
mod endpoint;
mod family;
pub mod otlp;
pub mod prometheus;

pub use self::{
    collector::{Collector, Unpushed},
    counts::{Counts, Durations},
    endpoint::{Endpoint, EndpointError},
    family::{Distribution, Family, Labels, Values},
};
