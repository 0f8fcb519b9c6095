//! A URL in the parts that a request needs.

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) scheme: &'a str,
    pub(super) authority: &'a str,
    /// Path and query, never empty.
    pub(super) target: String,
}

/// Takes a URL apart; none if there is no scheme or no authority. What is wrong in the parts is for the host to say.
pub(super) fn parse(url: &str) -> Option<Url<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _fragment)| rest);
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    (!authority.is_empty()).then_some(Url { scheme, authority, target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_authority_and_a_target() {
        for (url, expected) in [
            ("https://a.host", Some(("https", "a.host", "/"))),
            ("https://a.host:8200/v1?x=/y#z", Some(("https", "a.host:8200", "/v1?x=/y"))),
            ("http://[::1]:80?x", Some(("http", "[::1]:80", "/?x"))),
            ("https://user@a.host/", Some(("https", "user@a.host", "/"))),
            ("https:///v1", None),
            ("a.host/v1", None),
        ] {
            let url = parse(url).map(|url| (url.scheme, url.authority, url.target));
            assert_eq!(url.as_ref().map(|(scheme, authority, target)| (*scheme, *authority, target.as_str())), expected);
        }
    }
}
