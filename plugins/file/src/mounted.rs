//! From what the host read to an answer.

use flytoken_source::{Expiry, FileFailure, Files, Lease, Refusal, Settings};

/// The token in the file. When it ends only the token itself can say.
pub(crate) fn resolve(host: &(impl Settings + Files)) -> Result<Lease, Refusal> {
    host.only_settings(&["file"])?;
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
    use flytoken_source::Secret;

    use super::*;

    struct Mount(Option<&'static str>, fn(&str) -> Result<&'static str, FileFailure>);

    impl Settings for Mount {
        fn setting(&self, key: &str) -> Option<String> {
            assert_eq!(key, "file");
            self.0.map(str::to_owned)
        }
    }

    impl Files for Mount {
        fn file(&self, name: &str) -> Result<Secret, FileFailure> {
            self.1(name).map(Secret::seal)
        }

        fn file_bytes(&self, _: &str) -> Result<Vec<u8>, FileFailure> {
            unreachable!("the token is none of its business")
        }
    }

    #[test]
    fn the_file_of_the_setting_is_asked_for() {
        for (setting, expected) in [(None, "token"), (Some("fly"), "fly")] {
            let mount = Mount(setting, |name| if name == "fly" { Ok("fly") } else { Ok("token") });
            assert_eq!(resolve(&mount).unwrap().token, Secret::seal(expected));
        }
    }

    #[test]
    fn each_failure_has_its_refusal() {
        for (failing, expected) in [
            ((|_| Err(FileFailure::Absent)) as fn(&str) -> _, Refusal::absent("the file `token` is not there")),
            (|_| Err(FileFailure::Denied("add it".into())), Refusal::misconfigured("add it")),
            (|_| Err(FileFailure::Failed("too long".into())), Refusal::unavailable("too long")),
        ] {
            assert_eq!(resolve(&Mount(None, failing)).unwrap_err(), expected);
        }
    }
}
