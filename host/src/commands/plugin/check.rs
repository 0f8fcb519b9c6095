//! `flytoken plugin check`: whether a component keeps to the laws of sources.

use std::{fmt::Write as _, process::ExitCode};

use serde::Serialize;
use tokio::runtime::Builder;

use super::{
    super::{Context, failure},
    trial::{self, Refused},
};
use crate::{
    cli::PluginCheck,
    output::{Paint, Table},
    plain,
    protocol::{Failure, FailureCode},
    trial::laws::{self, Bench, Ruling, Verdict},
};

pub(super) fn run(check: &PluginCheck, context: &Context) -> Result<ExitCode, Failure> {
    let rulings = match trial::try_load(&check.file, &check.on_trial, context)? {
        Err(Refused::NoSource(why)) => laws::is_no_source(&why),
        Err(Refused::NotLoaded { why, hint }) => laws::does_not_load(&format!("{why}; {hint}")),
        Ok(loaded) => {
            let bench = Bench::new(loaded.trial, loaded.inspected, check.app.clone(), usize::from(check.calls));
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime
                .map_err(|cause| failure(FailureCode::Internal, cause.to_string(), "see that the system has threads left: `ulimit -u`"))?;
            runtime.block_on(laws::judge(&bench))
        }
    };
    let is_broken = rulings.iter().any(|ruling| matches!(ruling.verdict, Verdict::Fail(_)));
    if check.json {
        context.output.print_json(&Told { passes: !is_broken, laws: rulings.iter().map(ToldLaw::of).collect() })?;
    } else {
        context.output.print(&text(&rulings, context.output.paint()))?;
    }
    Ok(if is_broken { ExitCode::from(FailureCode::Misconfigured as u8) } else { ExitCode::SUCCESS })
}

/// ```text
/// pass  contract   flytoken:source 0.1.0
/// fail  texts      readonly for `my-app`: the text ends with a full stop
///   it says why in one sentence: …
///   write one short sentence …
/// -     keeper-…   it does not export `keeper`
/// ```
fn text(rulings: &[Ruling], paint: Paint) -> String {
    let mut table = Table::new(paint, []);
    let (unjudged, judged): (Vec<_>, Vec<_>) =
        rulings.iter().partition(|ruling| matches!(&ruling.verdict, Verdict::NotApplicable(why) if why == laws::UNLOADED));
    for Ruling { law, verdict } in judged {
        let (state, about) = match verdict {
            Verdict::Pass(text) => (paint.good("pass"), text),
            Verdict::Fail(text) => (paint.bad("fail"), text),
            Verdict::NotApplicable(why) => (paint.faint("-"), why),
        };
        table.row([state, law.name.to_owned(), plain::line(about)]);
    }
    if !unjudged.is_empty() {
        table.row([paint.faint("-"), format!("{} others", unjudged.len()), laws::UNLOADED.to_owned()]);
    }
    let mut text = table.lines();
    let count = |is_it: fn(&Verdict) -> bool| rulings.iter().filter(|ruling| is_it(&ruling.verdict)).count();
    for Ruling { law, verdict } in rulings {
        if matches!(verdict, Verdict::Fail(_)) {
            let _ = write!(text, "\n{}: a source {}\n  {}\n", paint.bad(law.name), law.demands, law.remedy);
        }
    }
    let _ = writeln!(
        text,
        "\n{} passed, {} failed, {} not judged",
        count(|verdict| matches!(verdict, Verdict::Pass(_))),
        count(|verdict| matches!(verdict, Verdict::Fail(_))),
        count(|verdict| matches!(verdict, Verdict::NotApplicable(_)))
    );
    text
}

/// `plugin check --json`.
#[derive(Serialize)]
struct Told<'a> {
    passes: bool,
    laws: Vec<ToldLaw<'a>>,
}

#[derive(Serialize)]
struct ToldLaw<'a> {
    name: &'static str,
    demands: &'static str,
    /// `pass`, `fail` or `not-applicable`.
    state: &'static str,
    text: &'a str,
    /// What to do, if it fails.
    remedy: Option<&'static str>,
}

impl<'a> ToldLaw<'a> {
    fn of(ruling: &'a Ruling) -> Self {
        let (state, text, remedy) = match &ruling.verdict {
            Verdict::Pass(text) => ("pass", text, None),
            Verdict::Fail(text) => ("fail", text, Some(ruling.law.remedy)),
            Verdict::NotApplicable(why) => ("not-applicable", why, None),
        };
        Self { name: ruling.law.name, demands: ruling.law.demands, state, text, remedy }
    }
}
