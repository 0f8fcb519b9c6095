//! From a path and its parameters to a request.

use http::{Method, StatusCode, Uri, header};

use super::answer::Refused;
use crate::{
    app::AppName,
    config::DurationText,
    kind::Kind,
    protocol::{FailureCode, Request, Wish},
};

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// Something of the core.
    Core(Request),
    /// Numbers, as Prometheus reads them.
    Metrics,
    /// The description of all this.
    Description,
}

/// One path.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The parameters that may stand behind it.
    pub(super) parameters: &'static [&'static str],
}

/// Every path there is, as the description has them.
pub(super) const ROUTES: [Route; 6] = [
    Route { method: Method::GET, path: TOKEN, parameters: &["kind", "actions", "max-lifetime", "valid-for"] },
    Route { method: Method::POST, path: REFRESH, parameters: &["kind"] },
    Route { method: Method::POST, path: INVALIDATE, parameters: &["kind", "fingerprint"] },
    Route { method: Method::GET, path: STATUS, parameters: &[] },
    Route { method: Method::GET, path: METRICS, parameters: &[] },
    Route { method: Method::GET, path: DESCRIPTION, parameters: &[] },
];

/// What is asked for.
///
/// # Errors
/// If there is no such path, or its parameters do not fit. What was sent is not repeated: it may be a token in the wrong place.
pub(super) fn route(method: &Method, uri: &Uri) -> Result<Asked, Refused> {
    let found = ROUTES.iter().find_map(|route| Some((route, captured(route.path, uri.path())?)));
    let Some((route, app)) = found else {
        let message = "there is nothing at this path";
        return Err(Refused::new(StatusCode::NOT_FOUND, FailureCode::Usage, message, "see what there is: `/openapi.json`"));
    };
    if *method != route.method {
        let (message, allow) = if route.method == Method::GET { ("this path takes GET", "GET") } else { ("this path takes POST", "POST") };
        let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, FailureCode::Usage, message, "see what there is: `/openapi.json`");
        return Err(refused.with(header::ALLOW, allow));
    }
    let parameters = Parameters::parse(uri.query().unwrap_or_default(), route.parameters)?;
    let app = || {
        AppName::parse(app).map_err(|error| Refused::usage(error.to_string(), "put the app's name into the path: `/v1/apps/my-app/token`"))
    };
    Ok(match route.path {
        TOKEN => Asked::Core(Request::Get {
            app: app()?,
            kind: parameters.kind()?.unwrap_or_default(),
            wish: Wish {
                valid_for: parameters.seconds("valid-for")?,
                actions: parameters.parsed("actions", str::parse)?,
                max_lifetime: parameters.seconds("max-lifetime")?,
            },
        }),
        REFRESH => Asked::Core(Request::Refresh { app: app()?, kind: parameters.kind()? }),
        INVALIDATE => Asked::Core(Request::Invalidate {
            app: app()?,
            kind: parameters.kind()?,
            fingerprint: parameters.parsed("fingerprint", str::parse)?,
        }),
        STATUS => Asked::Core(Request::Status),
        METRICS => Asked::Metrics,
        _ => Asked::Description,
    })
}

/// What stands in a path where the template has `{app}`; the empty text if it has none, none if it is another path.
fn captured<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = template.split_once("{app}") else { return (template == path).then_some("") };
    path.strip_prefix(before)?.strip_suffix(after).filter(|app| !app.contains('/'))
}

/// What stands behind the `?`. No value there is has a character that would have to be escaped, so that nothing is unescaped.
struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Parameters<'a> {
    fn parse(query: &'a str, known: &[&str]) -> Result<Self, Refused> {
        let mut parameters = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !known.contains(&name) {
                let hint = if known.is_empty() {
                    "leave it out: see `/openapi.json`".into()
                } else {
                    format!("known are `{}`", known.join("`, `"))
                };
                return Err(Refused::usage("there is a parameter that this path does not know", hint));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Refused::usage(format!("the parameter `{name}` is there twice"), "name it once: `?kind=deploy`"));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    fn parsed<T, E: std::fmt::Display>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<Option<T>, Refused> {
        let value = self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| parse(value));
        value.transpose().map_err(|error| Refused::usage(format!("{name}: {error}"), "see what there is: `/openapi.json`"))
    }

    fn kind(&self) -> Result<Option<Kind>, Refused> {
        self.parsed("kind", str::parse)
    }

    /// Whole seconds: part of one counts as one, so that no less is left than was asked for.
    fn seconds(&self, name: &str) -> Result<Option<u64>, Refused> {
        let duration = self.parsed(name, DurationText::parse)?;
        Ok(duration.map(|DurationText(duration)| duration.as_secs() + u64::from(duration.subsec_nanos() > 0)))
    }
}

const TOKEN: &str = "/v1/apps/{app}/token";
const REFRESH: &str = "/v1/apps/{app}/refresh";
const INVALIDATE: &str = "/v1/apps/{app}/invalidate";
const STATUS: &str = "/v1/status";
const METRICS: &str = "/metrics";
const DESCRIPTION: &str = "/openapi.json";

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, uri: &str) -> Result<Asked, (u16, String)> {
        let refused = |refused: Refused| {
            let shown = format!("{refused:?}");
            (refused.status.as_u16(), shown)
        };
        route(method, &uri.parse().unwrap()).map_err(refused)
    }

    #[test]
    fn a_path_and_its_parameters_are_a_request() {
        let uri = "/v1/apps/web/token?kind=machine-exec&actions=r&max-lifetime=10m&valid-for=1500ms";
        let Asked::Core(Request::Get { app, kind, wish }) = asked(&Method::GET, uri).unwrap() else { panic!() };
        assert_eq!((app.as_str(), kind, wish.max_lifetime, wish.valid_for), ("web", Kind::MachineExec, Some(600), Some(2)));
        let bare = asked(&Method::GET, "/v1/apps/web/token").unwrap();
        assert!(matches!(bare, Asked::Core(Request::Get { kind: Kind::Readonly, wish, .. }) if wish.is_nothing()));
        let uri = "/v1/apps/web/invalidate?fingerprint=0123456789abcdef";
        assert!(matches!(asked(&Method::POST, uri).unwrap(), Asked::Core(Request::Invalidate { kind: None, fingerprint: Some(_), .. })));
        assert!(matches!(asked(&Method::POST, "/v1/apps/a/refresh").unwrap(), Asked::Core(Request::Refresh { kind: None, .. })));
    }

    #[test]
    fn what_is_no_request_is_refused_and_not_repeated() {
        for (method, uri, status) in [
            (Method::GET, "/", 404),
            (Method::GET, "/v1/apps/web", 404),
            (Method::GET, "/v1/apps/a/b/token", 404),
            (Method::GET, "/v1/status/", 404),
            (Method::POST, "/v1/apps/web/token", 405),
            (Method::GET, "/v1/apps/web/refresh", 405),
            (Method::HEAD, "/v1/status", 405),
            (Method::GET, "/v1/apps//token", 400),
            (Method::GET, "/v1/apps/fm2_secret/token", 400),
            (Method::GET, "/v1/apps/..%2fx/token", 400),
            (Method::GET, "/v1/apps/web/token?kind=fm2_secret", 400),
            (Method::GET, "/v1/apps/web/token?kind=deploy&kind=login", 400),
            (Method::GET, "/v1/apps/web/token?kind", 400),
            (Method::GET, "/v1/apps/web/token?fm2_secret=1", 400),
            (Method::GET, "/v1/apps/web/token?kind=de%70loy", 400),
            (Method::GET, "/v1/apps/web/token?valid-for=1", 400),
            (Method::GET, "/v1/status?kind=deploy", 400),
            (Method::POST, "/v1/apps/web/invalidate?fingerprint=fm2_secret", 400),
        ] {
            let (found, shown) = asked(&method, uri).expect_err(uri);
            assert_eq!(found, status, "{uri}");
            assert!(!shown.contains("fm2_"), "{shown}");
        }
    }
}
