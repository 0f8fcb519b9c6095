//! `flytoken attenuate`: narrows a token, offline.

use std::{fs::File, path::Path};

use zeroize::Zeroizing;

use super::{
    Context, failure,
    input::{self, InputError},
    inspect, usage,
};
use crate::{
    cli::Attenuate,
    delivery::Actions,
    output::caveats,
    plain,
    protocol::{Failure, FailureCode},
    token::{Bundle, Caveat, Limits, MAX_TEXT, Mask, NotNarrowed, Worthless, caveat_json},
};

pub(super) fn run(attenuate: &Attenuate, context: &Context) -> Result<(), Failure> {
    if !attenuate.refused.is_empty() {
        let message = "a token is not taken from an argument, where every process of the machine can read it";
        return Err(failure(FailureCode::Usage, message, "run `flytoken attenuate …` and paste it, or pipe it in"));
    }
    let added = match &attenuate.caveats {
        Some(path) => from_file(path)?,
        None => limits(attenuate).caveats(context.clock.now()),
    };
    let bundle = read()?;
    let narrowed = bundle.narrowed(&attenuate.location, &added).map_err(|why| refused(&why, &attenuate.location))?;
    let printed = narrowed.printed();
    // With room for the end of the line: a text that has to grow leaves a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(printed.len() + 1));
    line.push_str(&printed);
    line.push('\n');
    context.output.print(&line)?;
    for caveat in &added {
        context.output.say_to_person(|paint| paint.faint(caveats::in_words(caveat, &context.moments()).lines(paint).trim_end()));
    }
    Ok(())
}

fn limits(attenuate: &Attenuate) -> Limits {
    let named = |Actions(mask): Actions| mask & Mask::ALL;
    Limits {
        // Some readers of tokens know no actions but those that have a name.
        actions: attenuate.actions.map(named),
        organization: attenuate.organization_id,
        apps: attenuate.app_id.iter().copied().collect(),
        elsewhere: attenuate.if_present.map(named),
        lifetime: attenuate.max_lifetime,
    }
}

fn from_file(path: &Path) -> Result<Vec<Caveat>, Failure> {
    let shown = plain::line(&path.display().to_string());
    let wrong = |problem: String| failure(FailureCode::Misconfigured, format!("`{shown}`: {problem}"), FORM);
    let text = File::open(path).map_err(InputError::Unreadable).and_then(|file| input::bounded(file, MAX_CAVEATS));
    let text = text.map_err(|error| match error {
        InputError::Unreadable(cause) => wrong(format!("it cannot be read: {cause}")),
        InputError::TooLong { most } => wrong(format!("it has more than {most} bytes")),
        InputError::NotText { at } => wrong(format!("it is no text at byte {at}")),
    })?;
    caveat_json::parse(&text).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        wrong(plain::line(&format!("{error}{cause}")))
    })
}

fn read() -> Result<Bundle, Failure> {
    let text = input::text("Token to narrow (not shown): ", MAX_TEXT).map_err(|error| match error {
        InputError::Unreadable(cause) => usage(format!("the token cannot be read: {cause}"), "pipe it in: `… | flytoken attenuate`"),
        error => inspect::unreadable(&[error.to_string()]),
    })?;
    Bundle::read(&text).map_err(|why| match why {
        Worthless::Unreadable(problems) => inspect::unreadable(&problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
        why => inspect::unreadable(&[why.to_string()]),
    })
}

fn refused(why: &NotNarrowed, location: &str) -> Failure {
    let hint = match why {
        NotNarrowed::Nothing => format!("it looks for `{}`; see the locations with `flytoken inspect`", plain::line(location)),
        NotNarrowed::Item { .. } => "leave that item out, or see what it is with `flytoken inspect`".into(),
        NotNarrowed::TooLong => "add less".into(),
    };
    failure(FailureCode::Misconfigured, format!("nothing was narrowed: {why}"), hint)
}

const FORM: &str = r#"write it as `fly tokens debug` shows it: [{"type":"Action","body":"r"}]"#;

/// More caveats than fit this would not fit a token.
const MAX_CAVEATS: usize = 64 * 1024;
