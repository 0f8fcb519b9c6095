//! The token that `fly tokens create` prints, among what else may stand on standard output.
//!
//! With `--json` that is an object with the key `token`, without it a line that starts with `FlyV1 `. Debug lines, notices and errors
//! about a configuration file may stand before and behind it. The last one counts: `fly` prints its result at the end.

use crate::json;

/// The token in `stdout`, if there is one.
pub(crate) fn token(stdout: &[u8]) -> Option<String> {
    object(stdout).or_else(|| line(stdout))
}

/// The token of the last JSON object that has one. Objects inside others, such as the body of a logged answer, do not count.
fn object(stdout: &[u8]) -> Option<String> {
    let mut found = None;
    let mut rest = stdout;
    while let Some(start) = rest.iter().position(|&byte| byte == b'{') {
        rest = &rest[start..];
        // A brace in a text starts no object; what follows it may.
        let (token, length) = json::text_in_object(rest, "token").unwrap_or((None, 1));
        found = token.filter(|token| !token.trim().is_empty()).or(found);
        rest = &rest[length..];
    }
    found
}

/// The last line that starts as a token does.
fn line(stdout: &[u8]) -> Option<String> {
    let lines = stdout.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"FlyV1 "));
    lines.filter_map(|line| std::str::from_utf8(line).ok()).next_back().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_whatever_else_is_printed() {
        for (stdout, expected) in [
            ("{\n    \"token\": \"FlyV1 fm2_a,fm2_b\"\n}\n", Some("FlyV1 fm2_a,fm2_b")),
            ("{\r\n    \"token\": \"FlyV1 fm2_a\"\r\n}\r\n", Some("FlyV1 fm2_a")),
            ("{\"token\":\"FlyV1 fm2_\\u0061\"}", Some("FlyV1 fm2_a")),
            ("DEBUG <-- 200 {\"data\":{\"token\":\"FlyV1 fm2_other\"}}\n{\"token\": \"FlyV1 fm2_a\"}DEBUG done\n", Some("FlyV1 fm2_a")),
            ("Error loading config {oh: no\n{ {\"token\": \"FlyV1 fm2_a\"}", Some("FlyV1 fm2_a")),
            ("{\"token\": \"FlyV1 fm2_old\"}\n{\"token\": \"FlyV1 fm2_a\"}\n{\"status\": \"ok\"}", Some("FlyV1 fm2_a")),
            ("{\"other\": [1, {}], \"token\": \"FlyV1 fm2_a\"}", Some("FlyV1 fm2_a")),
            ("a notice\r\nFlyV1 fm2_a,fm2_b\r\nbye\r\n", Some("FlyV1 fm2_a,fm2_b")),
            ("FlyV1 fm2_line\n{\"token\": \"FlyV1 fm2_a\"}", Some("FlyV1 fm2_a")),
            ("", None),
            ("{\"token\": \"\"}", None),
            ("{\"token\": null}", None),
            ("{\"token\": 7}", None),
            ("{\"token\": \"FlyV1 fm2_cut", None),
            ("{\"data\": {\"token\": \"FlyV1 fm2_other\"}}", None),
            ("the token is FlyV1 fm2_a", None),
            ("FlyV1\n", None),
        ] {
            assert_eq!(token(stdout.as_bytes()).as_deref(), expected, "{stdout}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_the_token() {
        assert_eq!(token(b"\xff\xfe{\xff\n{\"token\": \"FlyV1 fm2_a\"}\n\xff").as_deref(), Some("FlyV1 fm2_a"));
        assert_eq!(token(b"FlyV1 \xff\nFlyV1 fm2_a\n").as_deref(), Some("FlyV1 fm2_a"));
    }

    #[test]
    fn braces_without_end_are_read_in_time() {
        for piece in ["{", "{\"", "{\"a\":", "{\"a\":[", "{\"a\":\"{\",", "}", "FlyV1 ", "\n"] {
            assert_eq!(object(piece.repeat((128 << 10) / piece.len()).as_bytes()), None, "{piece}");
        }
    }
}
