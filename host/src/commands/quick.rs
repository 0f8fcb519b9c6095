//! The shortest way to the most frequent command: `flytoken get` without what is rarely typed.
//!
//! Building the whole command line costs more than asking the agent. So what is plainly a `get` is read here; whatever is not plain is left
//! to the whole command line, of `flytokend`, which also has the words for what is wrong. Both read the same into the same, and a test keeps
//! it so.

use std::ffi::OsString;

use crate::cli::Get;

/// Reads the arguments, the program's name first; none if they are more than this can tell.
pub(super) fn parse(arguments: &[OsString]) -> Option<Get> {
    let mut words = arguments.iter().skip(1).map(|word| word.to_str());
    if words.next()?? != "get" {
        return None;
    }
    let (mut get, mut kind) = (Get::default(), None);
    while let Some(word) = words.next() {
        let word = word?;
        match word {
            "--bare" if !get.bare && !get.header => get.bare = true,
            "--header" if !get.header && !get.bare && !get.json => get.header = true,
            "--json" if !get.json && !get.header => get.json = true,
            "--kind" if kind.is_none() => kind = Some(words.next()??.parse().ok()?),
            "-a" | "--app" if get.app.app.is_none() && get.app.app_option.is_none() => {
                get.app.app_option = Some(plain_value(words.next()??)?);
            }
            name if get.app.app.is_none() && get.app.app_option.is_none() => get.app.app = Some(plain_value(name)?),
            _ => return None,
        }
    }
    get.kind = kind.unwrap_or_default();
    Some(get)
}

/// A value that no option can be mistaken for.
fn plain_value(word: &str) -> Option<String> {
    (!word.is_empty() && !word.starts_with('-')).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Global};

    fn both(line: &str) -> (Option<Cli>, Option<Cli>) {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let quick = parse(&arguments).map(|get| Cli { global: Global::default(), command: Command::Get(get) });
        (quick, Cli::from_arguments(&arguments).ok())
    }

    #[test]
    fn what_is_read_here_is_read_the_same_by_the_whole_command_line() {
        let words = [
            "web",
            "api",
            "-a",
            "--app",
            "--bare",
            "--header",
            "--json",
            "--kind",
            "deploy",
            "readonly",
            "nope",
            "--valid-for",
            "30m",
            "-v",
            "--",
        ];
        let mut lines = vec!["flytoken get".to_owned()];
        for _ in 0..4 {
            let longer: Vec<String> = lines.iter().flat_map(|line| words.map(|word| format!("{line} {word}"))).collect();
            for line in &longer {
                let (quick, whole) = both(line);
                if quick.is_some() {
                    assert_eq!(quick, whole, "{line}");
                }
            }
            // Longer lines begin with shorter ones that are read here, or that lack a value.
            lines = longer.into_iter().filter(|line| both(line).0.is_some() || line.ends_with("-a") || line.ends_with("--kind")).collect();
        }
    }

    #[test]
    fn the_frequent_forms_are_read_here() {
        for line in [
            "flytoken get",
            "flytoken get web",
            "flytoken get web --kind deploy",
            "flytoken get -a web --json --bare",
            "flytoken get --header web",
        ] {
            assert!(both(line).0.is_some(), "{line}");
        }
        for line in ["flytoken", "flytoken exec web -- true", "flytoken get --valid-for 5m", "flytoken get --agent require web"] {
            assert!(both(line).0.is_none(), "{line}");
        }
    }
}
