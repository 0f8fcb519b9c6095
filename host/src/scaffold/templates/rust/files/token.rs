//! From a request to a token. It takes the host as an argument, so that a test can hand in another.

use flytoken_source::{Expiry, FileFailure, Files, Lease, Refusal, Request, Settings};

/// The token in a granted file, sealed: nobody here reads it. When it ends only the token itself can say.
pub fn resolve(_request: &Request, host: &(impl Settings + Files)) -> Result<Lease, Refusal> {
    host.only_settings(&["file"])?;
    // By the name that the file has under `grants.files`: no source names a path.
    let name = host.setting("file").unwrap_or_else(|| "token".to_owned());
    match host.file(&name) {
        Ok(token) => Ok(Lease::new(token, Expiry::Unknown)),
        Err(FileFailure::Absent) => Err(Refusal::absent(format!("the file `{name}` is not there"))),
        Err(FileFailure::Denied(line)) => Err(Refusal::misconfigured(line)),
        Err(FileFailure::Failed(text)) => Err(Refusal::unavailable(text)),
    }
}

#[cfg(test)]
mod tests {
    use flytoken_source::{Intent, Kind, Secret};

    use super::*;

    struct Mount(Result<&'static str, FileFailure>);

    impl Settings for Mount {
        fn setting(&self, _key: &str) -> Option<String> {
            None
        }
    }

    impl Files for Mount {
        fn file(&self, name: &str) -> Result<Secret, FileFailure> {
            assert_eq!(name, "token");
            self.0.clone().map(Secret::seal)
        }

        fn file_bytes(&self, _name: &str) -> Result<Vec<u8>, FileFailure> {
            unreachable!("the token is none of its business")
        }
    }

    fn resolved(content: Result<&'static str, FileFailure>) -> Result<Lease, Refusal> {
        let request = Request { app: "web".into(), kind: Kind::Readonly, organization: None, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        resolve(&request, &Mount(content))
    }

    #[test]
    fn the_granted_file_holds_the_token() {
        assert_eq!(resolved(Ok("fm2_x")).unwrap().token, Secret::seal("fm2_x"));
    }

    #[test]
    fn each_failure_has_its_refusal() {
        assert!(matches!(resolved(Err(FileFailure::Absent)), Err(Refusal::Absent(_))));
        assert!(matches!(resolved(Err(FileFailure::Denied(String::new()))), Err(Refusal::Misconfigured(_))));
        assert!(matches!(resolved(Err(FileFailure::Failed(String::new()))), Err(Refusal::Unavailable(_))));
    }
}
