//! The search for leaked tokens: every token of the tests has a form that nothing else has.

use std::{fs, path::Path};

/// Fails if `bytes` hold a token.
pub(crate) fn assert_clean(place: &str, bytes: &[u8]) {
    if let Some(at) = leak(bytes) {
        let around = &bytes[at.saturating_sub(60)..(at + 20).min(bytes.len())];
        panic!("a token leaked into {place}: …{}…", String::from_utf8_lossy(around));
    }
}

/// Fails if a file below `folder` holds a token, but for those below `sources`.
pub(crate) fn search(folder: &Path, sources: &[impl AsRef<Path>]) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if sources.iter().any(|source| path.starts_with(source)) {
            continue;
        }
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            search(&path, sources);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            assert_clean(&path.display().to_string(), &bytes);
        }
    }
}

/// Where a token begins: a prefix of Fly's with a body that is long enough to be of use to somebody.
fn leak(bytes: &[u8]) -> Option<usize> {
    let body = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
    bytes.windows(4).enumerate().find_map(|(at, prefix)| {
        let least = match prefix {
            b"fm2_" => 16,
            b"fo1_" => 8,
            _ => return None,
        };
        (body(at + 4) >= least).then_some(at)
    })
}

#[test]
fn the_search_finds_what_it_is_for() {
    for token in [super::user_token(), super::minted(1, std::time::Duration::from_mins(1))] {
        assert!(leak(format!("a log line with {token} in it").as_bytes()).is_some());
    }
    assert!(leak(b"fm2_ and fo1_ are prefixes, fm2_\xe2\x80\xa6 is masked").is_none());
}
