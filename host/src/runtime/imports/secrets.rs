//! `flytoken:source/secrets`: tokens that a source passes on without reading them.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource, ResourceTable};
use zeroize::Zeroizing;

use crate::{
    denials::Denials,
    lease::Provenance,
    runtime::{
        bindings::flytoken::source::secrets,
        call::Stamp,
        limits::{HANDLES, OverLimit, SEALED_BYTES, SECRET_BYTES},
        text::{Censor, items},
        trace::{Tracer, Use},
    },
    token::ApiToken,
};

/// What the host keeps behind a `secret` handle.
#[expect(unreachable_pub, reason = "the generated bindings export it again, and their modules are public to each other")]
pub struct Secret {
    /// The text.
    pub(in crate::runtime) token: Arc<ApiToken>,
    /// Where it came from; nothing a source does changes it.
    pub(in crate::runtime) provenance: Provenance,
}

/// The secrets of one call.
pub(in crate::runtime) struct Secrets {
    table: ResourceTable,
    stamp: Stamp,
    /// The login of this call, whether or not the source asked for it.
    login: Option<Arc<ApiToken>>,
    reveal: bool,
    denials: Denials,
    sealed_bytes: usize,
    censor: Censor,
    trace: Tracer,
}

impl Secrets {
    /// No secrets yet. What is sealed gets `stamp`; `reveal` is the grant of that name.
    pub(in crate::runtime) fn new(stamp: Stamp, login: Option<Arc<ApiToken>>, reveal: bool, denials: Denials) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let mut censor = Censor::default();
        if let Some(login) = &login {
            censor.add(login);
        }
        Self { table, stamp, login, reveal, denials, sealed_bytes: 0, censor, trace: Tracer::default() }
    }

    /// The same, written down.
    pub(in crate::runtime) fn traced(mut self, trace: &Tracer) -> Self {
        self.trace = trace.clone();
        self
    }

    /// Where it is written down what is done with secrets.
    pub(in crate::runtime) fn trace(&self) -> Tracer {
        self.trace.clone()
    }

    /// Gives the source a handle on `secret`.
    pub(in crate::runtime) fn lend(&mut self, secret: Secret) -> wasmtime::Result<Resource<Secret>> {
        self.censor.add(&secret.token);
        Ok(self.table.push(secret)?)
    }

    /// Keeps a text as a secret of this call.
    pub(in crate::runtime) fn keep(&mut self, text: Zeroizing<String>) -> wasmtime::Result<Resource<Secret>> {
        if text.len() > SECRET_BYTES {
            return Err(OverLimit::SecretBytes.into());
        }
        self.sealed_bytes += text.len();
        if self.sealed_bytes > SEALED_BYTES {
            return Err(OverLimit::SealedBytes.into());
        }
        let provenance = Provenance { is_login: self.is_login(&text), ..self.stamp() };
        self.lend(Secret { token: Arc::new(ApiToken::new(text)), provenance })
    }

    /// Takes back what the source handed over.
    pub(in crate::runtime) fn take(&mut self, handle: Resource<Secret>) -> wasmtime::Result<Secret> {
        Ok(self.table.delete(handle)?)
    }

    /// What a secret gets that comes to be now.
    pub(in crate::runtime) fn stamp(&self) -> Provenance {
        self.stamp.press()
    }

    /// Knows every secret of this call.
    pub(in crate::runtime) fn censor(&self) -> &Censor {
        &self.censor
    }

    /// Has a secret struck out that no handle stands for.
    pub(in crate::runtime) fn strike(&mut self, token: &Arc<ApiToken>) {
        self.censor.add(token);
    }

    /// Has a content struck out that is one word, such as a token and unlike a text.
    pub(in crate::runtime) fn strike_words(&mut self, content: &[u8]) {
        let Ok(text) = std::str::from_utf8(content) else { return };
        if !text.trim().contains(char::is_whitespace) {
            self.censor.add(&Arc::new(ApiToken::new(Zeroizing::new(text.to_owned()))));
        }
    }

    /// Whether `text` is made of items of the login and nothing else: then it is the login, however it came here.
    fn is_login(&self, text: &str) -> bool {
        let Some(login) = &self.login else { return false };
        let known: Vec<&str> = items(login.expose()).filter(|item| !is_scheme(item)).collect();
        let mut sealed = items(text).filter(|item| !is_scheme(item)).peekable();
        sealed.peek().is_some() && sealed.all(|item| known.contains(&item))
    }
}

fn is_scheme(item: &str) -> bool {
    item.eq_ignore_ascii_case("FlyV1") || item.eq_ignore_ascii_case("Bearer")
}

impl secrets::Host for Secrets {}

impl secrets::HostSecret for Secrets {
    fn seal(&mut self, text: String) -> wasmtime::Result<Resource<Secret>> {
        let step = self.trace.step(|| "secrets.seal".into());
        let kept = self.keep(Zeroizing::new(text));
        step.end_with(&kept, |_| "sealed".into(), |_| "past a limit".into());
        kept
    }

    fn reveal(&mut self, secret: Resource<Secret>) -> wasmtime::Result<Result<String, secrets::Denied>> {
        let step = self.trace.step(|| "secrets.reveal".into());
        self.trace.uses(|| Use::Reveal);
        step.end(|| if self.reveal { "revealed" } else { "denied" }.into());
        if !self.reveal {
            let source = &self.stamp.provenance.source;
            self.denials
                .note(format!("called `reveal`, which needs the grant `reveal`; add `reveal: true` under `sources.{source}.grants`"));
            return Ok(Err(secrets::Denied { grant: "reveal".into() }));
        }
        Ok(Ok(self.table.get(&secret)?.token.expose().to_owned()))
    }

    fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.table.delete(secret)?;
        Ok(())
    }
}

/// Lets the linker borrow [`Secrets`], and nothing else, out of a call.
pub(in crate::runtime) struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = &'a mut Secrets;
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{secrets, stamp, token},
        secrets::HostSecret as _,
        *,
    };

    #[test]
    fn a_sealed_text_is_stamped_and_comes_back_whole() {
        let mut secrets = secrets(None, false);
        let first = secrets.seal(" FlyV1 fm2_canary\n".into()).expect("room");
        let second = secrets.seal("fm2_other".into()).expect("room");
        let (first, second) = (secrets.take(first).expect("held"), secrets.take(second).expect("held"));
        assert_eq!(first.token.expose(), "FlyV1 fm2_canary");
        assert_eq!(first.provenance.source, stamp().provenance.source);
        assert!(first.provenance.sequence < second.provenance.sequence);
        assert!(!first.provenance.is_login);
    }

    #[test]
    fn a_login_that_is_sealed_again_is_still_the_login() {
        let mut secrets = secrets(Some("FlyV1 fm2_canaryone,fm2_canarytwo"), false);
        for (text, is_login) in [
            ("FlyV1 fm2_canaryone,fm2_canarytwo", true),
            ("fm2_canarytwo", true),
            ("fm2_canarytwo, fm2_canaryone", true),
            ("fm2_minted,fm2_canarytwo", false),
            ("fm2_minted", false),
            ("", false),
        ] {
            let handle = secrets.seal(text.into()).expect("room");
            assert_eq!(secrets.take(handle).expect("held").provenance.is_login, is_login, "{text}");
        }
    }

    #[test]
    fn a_secret_is_revealed_only_with_the_grant() {
        for granted in [false, true] {
            let mut secrets = secrets(None, granted);
            let secret = Secret { token: token("fm2_canary"), provenance: secrets.stamp() };
            let handle = secrets.lend(secret).expect("room");
            let answer = secrets.reveal(handle).expect("no trap");
            assert_eq!(answer.is_ok(), granted);
            assert_eq!(secrets.denials.first().is_some(), !granted);
        }
    }

    #[test]
    fn what_a_call_seals_is_bounded() {
        let mut one = secrets(None, false);
        let error = one.seal("x".repeat(SECRET_BYTES + 1)).expect_err("too long");
        assert_eq!(error.downcast_ref(), Some(&OverLimit::SecretBytes));

        let mut many = secrets(None, false);
        let error = (0..5)
            .find_map(|_| {
                let sealed = many.seal("x".repeat(SECRET_BYTES));
                sealed.and_then(|handle| many.drop(handle)).err()
            })
            .expect("dropping them does not help");
        assert_eq!(error.downcast_ref(), Some(&OverLimit::SealedBytes));

        let mut held = secrets(None, false);
        let full = (0..=HANDLES).find_map(|_| held.seal("x".into()).err()).expect("handles run out");
        assert!(full.downcast_ref::<wasmtime::component::ResourceTableError>().is_some());
    }
}
