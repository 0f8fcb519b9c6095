//! The grants `http` and `sockets` in whole files.

use super::{super::*, Home, problems};

/// What stands in the grants of the source `x`, and what is in force then.
fn granted(grants: &str) -> (Home, Loaded) {
    let home = Home::new();
    home.write("user/config.yaml", format!("sources:\n  x: {{ component: builtin:file, grants: {{ {grants} }} }}\n"));
    let loaded = home.load().expect(grants);
    (home, loaded)
}

#[test]
fn a_whole_grant_is_read_and_shown_as_it_can_be_read_again() {
    let grants = "login: true, files: { t: /t }, \
                  http: [{ origin: \"https://Vault.acme.internal:443\", private: true, ca: ca.pem, \
                  headers: { X-Vault-Token: { file: t }, Authorization: { secret: login } } }], \
                  sockets: [\"db.acme.internal:5432\", { to: \"[fd00::1]:6379\", private: true }]";
    let (home, loaded) = granted(grants);
    let grants = |loaded: &Loaded| loaded.config.sources[&SourceName::parse("x").expect("a name")].grants.clone();
    let read = grants(&loaded);
    assert_eq!(read.http[0].origin.to_string(), "https://vault.acme.internal");
    assert_eq!(read.http[0].ca, Some(home.path("user/ca.pem")));
    assert_eq!(read.sockets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["db.acme.internal:5432", "[fd00::1]:6379"]);
    let shown = loaded.show();
    assert!(shown.contains("x-vault-token: { file: t }"), "{shown}");
    home.write("user/config.yaml", shown);
    assert_eq!(grants(&home.load().expect("it was shown")), read);
}

#[test]
fn both_are_a_way_out() {
    for (way, grant) in [("http", "http: [{ origin: \"https://a\" }]"), ("sockets", "sockets: [\"a:1\"]")] {
        let errors = problems(&format!("sources:\n  x: {{ component: builtin:file, grants: {{ reveal: true, {grant} }} }}\n"));
        assert!(errors[0].contains(&format!("by `reveal`, cannot have `{way}` too")), "{errors:?}");
        granted(&format!("reveal: true, {grant}, may-leak: true"));
    }
}

#[test]
fn what_is_wrong_in_a_grant_of_the_network_is_named_where_it_stands() {
    let many = vec!["\"a:1\""; 33].join(", ");
    for (grants, expected) in [
        ("http: [{ orign: \"https://a\" }]", "http[0]: unknown key `orign`; did you mean `origin`?"),
        ("http: [{ private: true }]", "http[0]: the key `origin` is missing"),
        ("http: [\"https://a\"]", "http[0]: expected a map with the key origin, found text"),
        (
            "http: [{ origin: \"https://a/v1\" }]",
            "http[0].origin: an origin ends with its host or port: a path is not granted, the origin is",
        ),
        ("http: [{ origin: \"https://a@b\" }]", "http[0].origin: an origin holds no `@`"),
        ("http: [{ origin: \"https://127.1\" }]", "http[0].origin: an IPv4 address is four decimal numbers, such as `10.0.0.1`"),
        ("http: [{ origin: \"http://a\" }]", "http[0]: `http://` is for private networks alone: write `https://`, or add `private: true`"),
        ("http: [{ origin: \"http://a\", private: true, ca: a.pem }]", "http[0].ca: certificates vouch for `https://` alone"),
        ("http: [{ origin: \"https://10.0.0.1\" }]", "http[0]: this is 10.0.0.1, which is private: add `private: true` if you mean it"),
        ("http: [{ origin: \"https://224.0.0.1\", private: true }]", "http[0]: this is 224.0.0.1, which is multicast and is never reached"),
        ("http: [{ origin: \"https://a\" }, { origin: \"https://A:443\" }]", "http[1]: this origin is granted above already"),
        ("http: [{ origin: \"https://a\", headers: { X-A: { file: b } } }]", "http[0].headers.x-a: `files` holds no `b`"),
        (
            "http: [{ origin: \"https://a\", headers: { X-A: { secret: login } } }]",
            "http[0].headers.x-a: the login is not granted: add `login: true` to these grants",
        ),
        (
            "http: [{ origin: \"https://a\", headers: { X-A: { secret: logn } } }]",
            "http[0].headers.X-A: unknown word `logn`; did you mean `login`?",
        ),
        (
            "http: [{ origin: \"https://a\", headers: { Host: { secret: login } } }]",
            "http[0].headers: this header is about the connection, and flytoken sets it by itself",
        ),
        ("sockets: [\"a\"]", "sockets[0]: a destination is a host and a port, such as `db.internal:5432`"),
        ("sockets: [\"a:0\"]", "sockets[0]: a destination is a host and a port, such as `db.internal:5432`"),
        ("sockets: [{ to: \"a:1\", pivate: true }]", "sockets[0]: unknown key `pivate`; did you mean `private`?"),
        ("sockets: [\"a:1\", \"A:1\"]", "sockets[1]: this destination is granted above already"),
        ("sockets: [\"127.0.0.1:1\"]", "sockets[0]: this is 127.0.0.1, which is loopback: add `private: true` if you mean it"),
        (&format!("sockets: [{many}]"), "sockets: at most 32 destinations, this is 33"),
    ] {
        let errors = problems(&format!("sources:\n  x: {{ component: builtin:file, grants: {{ {grants} }} }}\n"));
        assert!(errors[0].ends_with(&format!(": sources.x.grants.{expected}")) && errors[0].starts_with("2:"), "{grants}: {errors:?}");
    }
}
