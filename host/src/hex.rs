//! Bytes as hexadecimal digits, and back.

/// Bytes as lower-case digits.
pub fn encode(bytes: &[u8]) -> String {
    // By hand, since every line on record has some: the formatter takes ten times as long.
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Digits of either case as bytes; none if they are none.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_nothing_else_is() {
        assert_eq!(encode(&[0, 10, 255]), "000aff");
        assert_eq!(decode("000aFF"), Some(vec![0, 10, 255]));
        for none in ["0", "0g", "+1", "é1"] {
            assert_eq!(decode(none), None, "{none}");
        }
    }
}
