//! `flytoken:source/login`: the user's own login, as a secret.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource};

use super::secrets::{Secret, Secrets};
use crate::{
    lease::Provenance,
    login::Login,
    runtime::{bindings::flytoken::source::login, trace::Use},
};

/// The login that one call sees.
pub(in crate::runtime) struct CurrentLogin {
    login: Option<Arc<Login>>,
    /// The same for every handle of a call, so that one login counts as obtained once.
    provenance: Option<Provenance>,
}

impl CurrentLogin {
    /// The login as it was when the call began; none if nobody was logged in.
    pub(in crate::runtime) fn new(login: Option<Arc<Login>>) -> Self {
        Self { login, provenance: None }
    }
}

/// What answers `login`: the login, and the table that its handle goes into.
pub(in crate::runtime) struct LoginView<'a> {
    /// The login.
    pub(in crate::runtime) current: &'a mut CurrentLogin,
    /// Where its handle goes.
    pub(in crate::runtime) secrets: &'a mut Secrets,
}

impl login::Host for LoginView<'_> {
    fn current(&mut self) -> wasmtime::Result<Option<Resource<Secret>>> {
        let trace = self.secrets.trace();
        trace.uses(|| Use::Login);
        trace
            .step(|| "login.current".into())
            .end(|| if self.current.login.is_some() { "somebody is logged in" } else { "nobody is" }.into());
        let Some(login) = &self.current.login else { return Ok(None) };
        let provenance = self
            .current
            .provenance
            .get_or_insert_with(|| Provenance { login: Some(login.generation), is_login: true, ..self.secrets.stamp() })
            .clone();
        self.secrets.lend(Secret { token: Arc::clone(&login.token), provenance }).map(Some)
    }
}

/// Lets the linker borrow a [`LoginView`], and nothing else, out of a call.
pub(in crate::runtime) struct HasLogin;

impl HasData for HasLogin {
    type Data<'a> = LoginView<'a>;
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{login, secrets},
        login::Host as _,
        *,
    };

    #[test]
    fn the_login_is_marked_as_such_and_obtained_once() {
        let mut secrets = secrets(None, false);
        let mut current = CurrentLogin::new(Some(login("FlyV1 fm2_canary")));
        let mut take = || {
            let mut view = LoginView { current: &mut current, secrets: &mut secrets };
            let handle = view.current().expect("room").expect("logged in");
            secrets.take(handle).expect("held")
        };
        let (first, second) = (take(), take());
        assert!(first.provenance.is_login);
        assert_eq!(first.provenance.login, Some(login("").generation));
        assert_eq!(first.provenance, second.provenance);
    }

    #[test]
    fn nobody_logged_in_is_none() {
        let mut secrets = secrets(None, false);
        let mut view = LoginView { current: &mut CurrentLogin::new(None), secrets: &mut secrets };
        assert!(view.current().expect("no trap").is_none());
    }
}
