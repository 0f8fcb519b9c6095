//! `flytoken env`: lines that put the token into a shell's environment.

use zeroize::Zeroizing;

use super::{Context, quoted::Quoted, usage};
use crate::{
    cli::{Env, EnvFormat},
    protocol::Failure,
};

pub(super) fn run(env: &Env, context: &Context) -> Result<(), Failure> {
    let delivered = context.token(&env.app, env.kind, env.wish)?;
    let lines = lines(env.format, &delivered.token.printed())
        .ok_or_else(|| usage("the token holds characters that no `.env` file can", "use another: `--format shell`"))?;
    context.output.print(&lines)?;
    context.tell(&delivered.facts);
    Ok(())
}

/// The lines; none if the form cannot hold the token.
fn lines(format: EnvFormat, token: &str) -> Option<Zeroizing<String>> {
    // Room for a token all of whose characters are escaped: a text that has to grow leaves a copy behind.
    let mut lines = Zeroizing::new(String::with_capacity(token.len() * 6 + 128));
    match format {
        // flyctl prefers FLY_ACCESS_TOKEN, even an empty one.
        EnvFormat::Bash => {
            lines.push_str("export FLY_API_TOKEN=");
            Quoted::Posix.push(token, &mut lines);
            lines.push_str("\nunset FLY_ACCESS_TOKEN\n");
        }
        EnvFormat::Fish => {
            lines.push_str("set -gx FLY_API_TOKEN ");
            Quoted::Fish.push(token, &mut lines);
            lines.push_str("\nset -e FLY_ACCESS_TOKEN\n");
        }
        // Readers of such files agree on single quotes, in which nothing can be escaped.
        EnvFormat::Dotenv if token.contains(['\'', '\n', '\r']) => return None,
        EnvFormat::Dotenv => ["FLY_API_TOKEN='", token, "'\n"].into_iter().for_each(|part| lines.push_str(part)),
        EnvFormat::Json => {
            let text = Zeroizing::new(serde_json::to_string(token).ok()?);
            lines.push_str("{\"FLY_API_TOKEN\":");
            lines.push_str(&text);
            lines.push_str("}\n");
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_lines_are_what_each_reader_takes() {
        for (format, expected) in [
            (EnvFormat::Bash, "export FLY_API_TOKEN='FlyV1 fm2_A+/='\nunset FLY_ACCESS_TOKEN\n"),
            (EnvFormat::Fish, "set -gx FLY_API_TOKEN 'FlyV1 fm2_A+/='\nset -e FLY_ACCESS_TOKEN\n"),
            (EnvFormat::Dotenv, "FLY_API_TOKEN='FlyV1 fm2_A+/='\n"),
            (EnvFormat::Json, "{\"FLY_API_TOKEN\":\"FlyV1 fm2_A+/=\"}\n"),
        ] {
            assert_eq!(lines(format, "FlyV1 fm2_A+/=").unwrap().as_str(), expected);
        }
        assert_eq!(lines(EnvFormat::Dotenv, "a'b"), None);
        assert_eq!(lines(EnvFormat::Fish, r"a'b\").unwrap().lines().next(), Some(r"set -gx FLY_API_TOKEN 'a\'b\\'"));
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for token in ["FlyV1 fm2_A", "it's $HOME `x` \\ \"y\" !", "two\nlines"] {
            let script = format!("{}printf %s \"$FLY_API_TOKEN\"", lines(EnvFormat::Bash, token).unwrap().as_str());
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), token);
        }
    }
}
