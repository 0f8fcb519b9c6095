//! As much JSON as one object of `fly` takes.
//!
//! A general parser makes the component three times as large, and every start of the agent loads it. This one is lenient about numbers
//! and words, which nobody reads here, and strict about what decides where an object ends.

/// Reads the object at the start of `bytes`: the text under its own `key`, if any, and how many bytes it takes. None if no whole object
/// stands there.
pub(crate) fn text_in_object(bytes: &[u8], key: &str) -> Option<(Option<String>, usize)> {
    let mut reader = Reader { rest: bytes };
    let mut found = None;
    reader.object(0, &mut |name, value| {
        if name == key {
            found = value.text();
        }
    })?;
    Some((found, bytes.len() - reader.rest.len()))
}

/// A value that was read.
enum Value {
    Text(String),
    Other,
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other => None,
        }
    }
}

/// What is left to read. Each method takes one thing off its front, or is none if something else stands there.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// An object; `member` is told each name and value.
    fn object(&mut self, depth: u8, member: &mut dyn FnMut(String, Value)) -> Option<()> {
        self.list(b'{', b'}', &mut |reader| {
            let name = reader.string()?;
            reader.mark(b':')?;
            let value = reader.value(depth)?;
            member(name, value);
            Some(())
        })
    }

    /// Any value.
    fn value(&mut self, depth: u8) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'{' if depth < DEEPEST => self.object(depth + 1, &mut |_, _| ()).map(|()| Value::Other),
            b'[' if depth < DEEPEST => self.list(b'[', b']', &mut |reader| reader.value(depth + 1).map(drop)).map(|()| Value::Other),
            _ => self.word().map(|()| Value::Other),
        }
    }

    /// Items between two marks, with commas between them.
    fn list(&mut self, open: u8, close: u8, item: &mut dyn FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.mark(open)?;
        if self.peek()? == close {
            return self.mark(close);
        }
        loop {
            item(self)?;
            if self.peek()? == close {
                return self.mark(close);
            }
            self.mark(b',')?;
        }
    }

    /// A string. No line end stands in one, so that a stray quotation mark hides at most the rest of its line.
    fn string(&mut self) -> Option<String> {
        self.mark(b'"')?;
        let mut text = Vec::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return String::from_utf8(text).ok(),
                b'\\' => text.extend_from_slice(self.escape()?.encode_utf8(&mut [0; 4]).as_bytes()),
                0..b' ' => return None,
                _ => text.push(byte),
            }
        }
    }

    /// What stands behind a backslash. Half of a character beyond the first 65536 is read as a replacement character.
    fn escape(&mut self) -> Option<char> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        self.peek()?;
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        self.rest = &self.rest[length..];
        (length > 0).then_some(())
    }

    /// One mark, and the white space before it.
    fn mark(&mut self, mark: u8) -> Option<()> {
        (self.peek()? == mark).then(|| self.rest = &self.rest[1..])
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let blank = self.rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.rest = &self.rest[blank..];
        self.rest.first().copied()
    }
}

/// How deep an object may be nested. Every brace in a megabyte may start an object; this bounds how often each byte is read.
const DEEPEST: u8 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_under_a_key_is_read_from_a_whole_object() {
        for (json, expected) in [
            ("{}", Some((None, 2))),
            ("{ \"token\" : \"a\" } tail", Some((Some("a"), 17))),
            ("{\"a\":[1,-2.5e+3,{\"token\":\"no\"},[]],\"b\":null,\"token\":\"yes\"}", Some((Some("yes"), 58))),
            ("{\"token\":\"\\u0061\\n\\\"\\/\\ud83d\"}", Some((Some("a\n\"/\u{fffd}"), 30))),
            ("{\"t\\u006fken\":\"é\"}", Some((Some("é"), 19))),
            ("{\"token\":\"old\",\"token\":7}", Some((None, 25))),
            ("{\"token\":\"a\",}", None),
            ("{\"token\" \"a\"}", None),
            ("{\"token\":\"a\nb\"}", None),
            ("{\"token\":\"\\x\"}", None),
            ("{\"token\":\"\\u+061\"}", None),
            ("{\"token\":}", None),
            ("{\"token\":\"a\"", None),
            ("{\"token\":\"a", None),
            ("{\"token\":\"\\", None),
            ("{token:\"a\"}", None),
            ("[]", None),
            ("{", None),
            ("", None),
        ] {
            let expected = expected.map(|(text, length)| (text.map(str::to_owned), length));
            assert_eq!(text_in_object(json.as_bytes(), "token"), expected, "{json}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_no_object() {
        let nested = |depth| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(text_in_object(nested(33).as_bytes(), "token").is_some());
        assert!(text_in_object(nested(34).as_bytes(), "token").is_none());
    }
}
