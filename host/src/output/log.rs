//! The log on stderr.

use std::io;

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::cli::LogForm;

/// Begins to log on stderr from `least` on. Only flytoken's own events get that far: other crates' details may hold what must not be
/// logged, so that theirs count from warnings on, whatever is asked for.
pub fn init_log(form: LogForm, least: Level, colours: bool) {
    let own = env!("CARGO_CRATE_NAME");
    let filter = Targets::new().with_default(LevelFilter::WARN.min(LevelFilter::from_level(least))).with_target(own, least);
    // What cannot be written is lost. To say so on stderr, as the layer otherwise does, would panic there: the disk of the log is full.
    let layer = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let layer = match form {
        LogForm::Text => layer.with_ansi(colours).with_target(false).boxed(),
        // What a span says is in `span`; none here has another around it that says more.
        LogForm::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // A second call, as tests make it, changes nothing.
    let _ = Registry::default().with(layer.with_filter(filter)).try_init();
}
