//! The login as a lease.

use flytoken_source::{Expiry, Lease, Login, Refusal};

/// The login, for whatever app and kind: the host takes the part that fits out of it, and reads the expiry from the token itself.
pub(crate) fn resolve(host: &impl Login) -> Result<Lease, Refusal> {
    match host.login() {
        Some(login) => Ok(Lease::new(login, Expiry::Unknown)),
        None => Err(Refusal::absent("nobody is logged in")),
    }
}

#[cfg(test)]
mod tests {
    use flytoken_source::Secret;

    use super::*;

    struct Fly(Option<&'static str>);

    impl Login for Fly {
        fn login(&self) -> Option<Secret> {
            self.0.map(Secret::seal)
        }
    }

    #[test]
    fn the_login_is_passed_on_as_it_is() {
        let lease = Lease::new(Secret::seal("fm2_canary,fo1_canary"), Expiry::Unknown);
        assert_eq!(resolve(&Fly(Some("fm2_canary,fo1_canary"))), Ok(lease));
    }

    #[test]
    fn without_a_login_the_next_source_is_asked() {
        assert_eq!(resolve(&Fly(None)), Err(Refusal::absent("nobody is logged in")));
    }
}
