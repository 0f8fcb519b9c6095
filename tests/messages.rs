//! The catalogue of errors: every place of the host that makes one for a user is found in its source, and each says what to type or set.
//! `docs/errors.md` is made from it by `just docs`.

use std::{fmt::Write as _, fs, path::Path};

use crate::{readme::document, structure::sources};

/// An error as it stands in the source.
struct Message {
    file: String,
    /// What happened; `…` where something is filled in, and empty where all of it comes from somewhere else.
    what: String,
    /// What to do; likewise.
    hint: String,
}

#[test]
fn each_error_says_what_to_type() {
    let messages = catalogue();
    assert!(messages.len() > 120, "only {}", messages.len());
    let mut wrong = String::new();
    for Message { file, what, hint } in &messages {
        if !hint.is_empty() && !hint.contains('`') {
            let _ = writeln!(wrong, "{file}: `{what}` leaves its reader with: {hint}");
        }
        for text in [what, hint]
            .into_iter()
            .filter(|text| text.ends_with('.') || text.starts_with(char::is_uppercase) && !text.starts_with("FLYTOKEN_"))
        {
            let _ = writeln!(wrong, "{file}: an error is half a line, no sentence: {text}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_page_lists_every_error_that_the_source_has() {
    let is = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    #[expect(clippy::disallowed_methods, reason = "it is for whoever changed an error")]
    if std::env::var_os("FLYTOKEN_WRITE_DOCS").is_some() {
        fs::write(&path, &is).unwrap();
    }
    let written = document("docs/errors.md");
    let differ = written.lines().zip(is.lines()).position(|(written, is)| written != is);
    assert!(written == is, "docs/errors.md differs from the sources at line {differ:?}: run `just docs`");
}

fn page() -> String {
    let mut page = "# Errors\n\nWhat can be said on standard error, and what to do about it, by the part of flytoken that says it; `…` is filled in. Made from the sources by\n\
                    `just docs`; a test keeps it so. What a step of the chain says has its own words, and [troubleshooting.md](troubleshooting.md) has more to say on sources.\n\
                    Exit codes are in the [README](../README.md#exit-codes).\n"
        .to_owned();
    let mut part = String::new();
    for Message { file, what, hint } in catalogue().iter().filter(|message| !message.what.is_empty() && !message.hint.is_empty()) {
        if part != *file {
            part.clone_from(file);
            let _ = write!(page, "\n## {}\n\n| error | hint |\n| --- | --- |\n", part.trim_end_matches(".rs").trim_end_matches("/mod"));
        }
        let cell = |text: &str| text.replace('|', "\\|");
        let row = format!("| {} | {} |\n", cell(what), cell(hint));
        if !page.ends_with(&row) {
            page.push_str(&row);
        }
    }
    page
}

fn catalogue() -> Vec<Message> {
    let mut sources = sources();
    sources.sort();
    let mut messages = Vec::new();
    for (file, text) in sources {
        in_text(&file, &text, &mut messages);
    }
    messages
}

/// The errors of one file: calls of the functions that make one, and literals of the type.
fn in_text(file: &str, text: &str, messages: &mut Vec<Message>) {
    for (name, message) in [("failure(", 1), ("usage(", 0), ("misconfigured(", 0)] {
        for (at, _) in text.match_indices(name) {
            let before = &text[..at];
            // The protocol's own have one hint for all.
            if before.ends_with(|character: char| character.is_alphanumeric() || "_.".contains(character))
                || before.ends_with("fn ")
                || file.starts_with("protocol/")
            {
                continue;
            }
            let arguments = arguments(&text[at + name.len()..]);
            if let [.., hint] = &arguments[..] {
                let what = arguments.get(message).filter(|_| arguments.len() > message + 1).map(|what| said(what, text, at));
                messages.push(Message { file: file.to_owned(), what: what.unwrap_or_default(), hint: said(hint, text, at) });
            }
        }
    }
    for (at, _) in text.match_indices("Failure {\n").chain(text.match_indices("Failure { ")) {
        let fields = arguments(&text[at + "Failure {".len()..]);
        let field = |name: &str| fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix(": "));
        if let (Some(what), Some(hint)) = (field("message"), field("hint")) {
            messages.push(Message { file: file.to_owned(), what: said(what, text, at), hint: said(hint, text, at) });
        }
    }
    // What the errors of one type have to say, case by case.
    for (at, _) in text.match_indices("fn hint(&self)") {
        let body = text[at..].split_once('{').unwrap().1;
        for arm in arguments(body).iter().flat_map(|part| part.split("=>").skip(1)) {
            let hint = said(arm.trim(), text, at);
            // One word is a part of what is said after it.
            if hint.contains(' ') {
                messages.push(Message { file: file.to_owned(), what: String::new(), hint });
            }
        }
    }
}

/// What stands between here and the bracket that closes what is open, parted by commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                part.push('"');
                while let Some(inside) = characters.next() {
                    part.push(inside);
                    match inside {
                        '\\' => part.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    parts.push(part.trim().to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The text of an expression at this place of a file: of its first literal, or of the constant or variable that it names. Empty if it comes from
/// elsewhere.
fn said(expression: &str, text: &str, at: usize) -> String {
    let name = expression.trim_end_matches(".into()");
    let is_name = !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_');
    let constant = || text.split_once(&format!("const {name}: &str = ")).map(|(_, value)| value);
    let variable = || text[..at].rsplit_once(&format!("let {name} = ")).map(|(_, value)| value);
    let named = is_name.then(|| variable().or_else(constant)).flatten().map(|value| value.split(";\n").next().unwrap_or_default());
    let expression = named.unwrap_or(expression);
    // What other code has to say: `error.hint()`, `format!("{hint}…")`.
    if !["\"", "format!(", "match", "if"].iter().any(|begin| expression.trim_start().starts_with(begin)) {
        return String::new();
    }
    let Some((_, literal)) = expression.split_once('"') else { return String::new() };
    let (mut said, mut characters) = (String::new(), literal.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => said.push(' '),
                Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                Some(other) => said.push(other),
                None => {}
            },
            '{' if characters.next_if_eq(&'{').is_some() => said.push('{'),
            '}' if characters.next_if_eq(&'}').is_some() => said.push('}'),
            '{' if expression.trim_start().starts_with("format!") || expression.contains("format!") => {
                while characters.next_if(|next| *next != '}').is_some() {}
                characters.next();
                said.push('…');
            }
            other => said.push(other),
        }
    }
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_catalogue_reads_what_stands_in_a_source() {
    let text = r#"
        const PLACE: &str = "set `X`";
        failure(FailureCode::Agent, format!("no {{}} at {}: {error}", shown(path)), PLACE)
        Err(usage("it is \"odd\"", format!("type `{name}`, \
             or not")))
        Failure { code, message: "gone".into(), hint: error.hint(), steps: Vec::new() }
    "#;
    let mut messages = Vec::new();
    in_text("x.rs", text, &mut messages);
    let found: Vec<(&str, &str)> = messages.iter().map(|message| (message.what.as_str(), message.hint.as_str())).collect();
    assert_eq!(found, [("no {} at …: …", "set `X`"), ("it is \"odd\"", "type `…`, or not"), ("gone", "")]);
}
