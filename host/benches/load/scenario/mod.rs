//! The load that an agent has to stand, as the benchmark `load` puts it on for minutes and a behaviour in `tests/load.rs` for seconds:
//! many apps, many connections, every kind of request, a source that is down half of the time, a configuration that is rewritten ten
//! times a second, and what the agent holds before and after.

mod begin;
mod clients;
mod resources;
pub(crate) mod tally;
mod world;

pub(crate) use self::{
    begin::begin,
    clients::{Bound, Load},
    resources::Resources,
    world::World,
};
