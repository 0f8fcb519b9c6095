//! `docker-credential-flytoken`: credentials for Fly's registry, for whoever asks as Docker does.

use std::{
    ffi::OsString,
    io::{self, Read},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use serde_json::json;

use super::Context;
use crate::{
    app::AppName,
    app_from::{self, AppFromError},
    cli::{App, Global, Wish},
    commands::{asking::StandIn, config},
    docker::{Credentials, NO_SERVER, NOT_FOUND, PROGRAM, Question, REGISTRY, is_fly},
    kind::Kind,
    output::Output,
    plain,
    protocol::{Failure, StepOutcome},
    system::{Clock, Environment},
};

/// Answers the one question that the arguments ask, the program's name first. As the protocol has it, each answer is on stdout, that there is
/// none among them; and the exit code is 0 or 1. `stand_in` makes what answers where no agent does, out of what was read from stdin.
pub(in crate::commands) fn answer(
    arguments: &[OsString],
    environment: Environment,
    clock: Arc<dyn Clock>,
    stand_in: impl FnOnce(&[u8]) -> Box<dyn StandIn>,
) -> ExitCode {
    let output = Output::of_this_process(&environment);
    let question = match arguments {
        [_, word] => Question::parse(word),
        _ => None,
    };
    let program = arguments.first().cloned().unwrap_or_default();
    let asked = if question == Some(Question::Get) { asked() } else { Vec::new() };
    let context = Context::new(Global::default(), program, environment, clock, output, stand_in(&asked));
    let answered = context.map_err(Unanswered::from).and_then(|context| {
        let answered = match question {
            Some(Question::Get) => get(&asked, &context),
            Some(Question::List) => Ok(context.output.print_json(&json!({ REGISTRY: USER }))?),
            // Nothing is kept here, so that nothing is left to forget.
            Some(Question::Erase) => Ok(()),
            Some(Question::Store) => Err(stores_nothing()),
            Some(Question::Version) => Ok(context.output.print(&format!("{PROGRAM} ({REPOSITORY}) v{VERSION}\n"))?),
            None => Err(no_question()),
        };
        context.stand_in.settle();
        answered
    });
    let Err(Unanswered { sentence, to_person }) = answered else { return ExitCode::SUCCESS };
    if let Some(text) = to_person {
        output.say(&text);
    }
    // There is nowhere left to say that this cannot be written; the exit code still tells.
    let _ = output.print(&format!("{sentence}\n"));
    ExitCode::FAILURE
}

fn get(asked: &[u8], context: &Context) -> Result<(), Unanswered> {
    let server = str::from_utf8(asked).unwrap_or_default().trim_ascii();
    if server.is_empty() {
        return Err(Unanswered::sentence(NO_SERVER));
    }
    if !is_fly(server) {
        return Err(Unanswered::sentence(NOT_FOUND));
    }
    let Some(app) = app(context)? else {
        let text = format!("flytoken: no app is named for {REGISTRY}: go to the folder of its fly.toml, or type `export FLY_APP=APP`");
        return Err(Unanswered { sentence: NOT_FOUND.into(), to_person: Some(text) });
    };
    let app = App { app: Some(app.to_string()), app_option: None };
    let delivered = context.token(&app, Kind::Deploy, Wish::default()).map_err(|failure| context.typed().failure(failure))?;
    context.output.print_json(&Credentials { server, username: USER, secret: delivered.token.bare() })?;
    Ok(())
}

/// The server that is asked for. What cannot be read, or is longer than any, names none.
fn asked() -> Vec<u8> {
    let mut server = Vec::new();
    let read = io::stdin().take(LONGEST + 1).read_to_end(&mut server);
    if read.is_ok() && server.len() as u64 <= LONGEST { server } else { Vec::new() }
}

/// The app whose images are meant: a client does not say which image it is about to push or pull.
fn app(context: &Context) -> Result<Option<AppName>, Failure> {
    match app_from::find(None, &context.environment, Path::new(".")) {
        Ok(app) => return Ok(Some(app)),
        Err(AppFromError::Nowhere | AppFromError::NoKey) => {}
        Err(error) => return Err(error.into()),
    }
    let layers = context.paths.layers(rustix::process::getuid().as_raw());
    Ok(config::loaded(&layers)?.config.docker_app.clone())
}

/// Why there is no answer.
struct Unanswered {
    /// What stdout says.
    sentence: String,
    /// What a client passes on to its user besides, though it takes the sentence for no failure.
    to_person: Option<String>,
}

impl Unanswered {
    fn sentence(sentence: &str) -> Self {
        Self { sentence: sentence.into(), to_person: None }
    }
}

impl From<Failure> for Unanswered {
    /// A client repeats it with words of its own around it, on one line.
    fn from(failure: Failure) -> Self {
        let steps = failure.steps.iter().filter(|step| !matches!(step.outcome, StepOutcome::Absent | StepOutcome::Skipped));
        let steps = steps.map(|step| format!("{}: {}; ", step.source, step.text)).collect::<Vec<_>>().concat();
        let text = format!("flytoken: {}; {steps}{}", failure.message.replace('\n', "; "), failure.hint.replace('\n', "; "));
        Self::sentence(&plain::whole_line(&plain::masked(&text)))
    }
}

fn stores_nothing() -> Unanswered {
    // What is offered is not even read.
    Unanswered::sentence(
        "flytoken: it asks for a token each time and keeps none of Docker's; for another user, type `flytoken docker uninstall`",
    )
}

fn no_question() -> Unanswered {
    let text = format!("usage: {PROGRAM} get|store|erase|list|version; Docker starts it by itself: `flytoken docker install`");
    Unanswered::sentence(&text)
}

/// As flyctl calls itself to the registry, which takes any name.
const USER: &str = "x";

const REPOSITORY: &str = "github.com/flytoken/flytoken";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Of a server's address, in bytes.
const LONGEST: u64 = 4096;
