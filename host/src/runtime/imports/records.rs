//! `flytoken:source/records`: one durable, sealed lease, which the host chose when the call began.

use std::sync::Arc;

use wasmtime::component::HasData;

use super::{secrets::Secrets, types};
use crate::runtime::{
    access::{RecordsAccess, RecordsFailure},
    bindings::flytoken::source::{records, types as wit},
    trace::{Open, Use},
};

/// What answers `records`: one record, and the secrets that go in and out of it.
pub(in crate::runtime) struct RecordsView<'a> {
    /// The record; none only if the host linked `records` and then lends none.
    pub(in crate::runtime) access: Option<Arc<dyn RecordsAccess>>,
    /// Where handles go and come from.
    pub(in crate::runtime) secrets: &'a mut Secrets,
}

impl RecordsView<'_> {
    fn access(&self) -> Result<&dyn RecordsAccess, records::Failure> {
        self.access.as_deref().ok_or_else(|| records::Failure::Unavailable("no record is open for this call".into()))
    }

    fn step(&self, name: &str) -> Open {
        let trace = self.secrets.trace();
        trace.uses(|| Use::Records);
        trace.step(|| name.into())
    }
}

impl records::Host for RecordsView<'_> {
    async fn load(&mut self) -> wasmtime::Result<Result<Option<wit::Lease>, records::Failure>> {
        let step = self.step("records.load");
        let loaded = match self.access() {
            Ok(access) => access.load().await.map_err(failure),
            Err(failure) => Err(failure),
        };
        step.end_with(&loaded, |lease| if lease.is_some() { "a lease" } else { "nothing" }.into(), told);
        match loaded {
            Ok(Some(lease)) => Ok(Ok(Some(types::lend(&lease, self.secrets)?))),
            Ok(None) => Ok(Ok(None)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn save(&mut self, lease: wit::Lease) -> wasmtime::Result<Result<(), records::Failure>> {
        let lease = types::take(lease, self.secrets)?;
        let step = self.step("records.save");
        let saved = match self.access() {
            Ok(access) => access.save(lease).await.map_err(failure),
            Err(failure) => Err(failure),
        };
        step.end_with(&saved, |()| "saved".into(), told);
        Ok(saved)
    }

    async fn remove(&mut self) -> wasmtime::Result<Result<(), records::Failure>> {
        let step = self.step("records.remove");
        let removed = match self.access() {
            Ok(access) => access.remove().await.map_err(failure),
            Err(failure) => Err(failure),
        };
        step.end_with(&removed, |()| "removed".into(), told);
        Ok(removed)
    }
}

/// How a failure reads in a trace.
fn told(failure: &records::Failure) -> String {
    match failure {
        records::Failure::Unavailable(text) => format!("unavailable: {text}"),
        records::Failure::Refused(text) => format!("refused: {text}"),
    }
}

fn failure(failure: RecordsFailure) -> records::Failure {
    match failure {
        RecordsFailure::Unavailable(text) => records::Failure::Unavailable(text),
        RecordsFailure::Refused(text) => records::Failure::Refused(text),
    }
}

/// Lets the linker borrow a [`RecordsView`], and nothing else, out of a call.
pub(in crate::runtime) struct HasRecords;

impl HasData for HasRecords {
    type Data<'a> = RecordsView<'a>;
}

#[cfg(test)]
mod tests {
    use super::{
        super::fixtures::{Record, secrets},
        records::Host as _,
        *,
    };
    use crate::runtime::bindings::flytoken::source::secrets::HostSecret as _;

    #[tokio::test]
    async fn a_lease_comes_back_with_the_provenance_it_was_saved_with() {
        let record = Arc::new(Record::default());
        let mut secrets = secrets(None, false);
        let token = secrets.seal("fm2_canary".into()).expect("room");
        let mut view = RecordsView { access: Some(record.clone()), secrets: &mut secrets };

        assert!(view.load().await.expect("no trap").expect("readable").is_none());
        let lease = wit::Lease { token, expiry: wit::Expiry::At(7), id: Some("flytoken-1".into()) };
        view.save(lease).await.expect("no trap").expect("writable");
        let loaded = view.load().await.expect("no trap").expect("readable").expect("saved");
        assert_eq!(loaded.id.as_deref(), Some("flytoken-1"));
        let loaded = types::take(loaded, view.secrets).expect("held");
        assert_eq!(loaded.provenance.sequence, 1);
        assert_eq!(loaded.token.expose(), "fm2_canary");

        view.remove().await.expect("no trap").expect("writable");
        assert!(view.load().await.expect("no trap").expect("readable").is_none());
    }

    #[tokio::test]
    async fn a_failure_reaches_the_source_as_one() {
        let mut secrets = secrets(None, false);
        let broken = Record::broken(RecordsFailure::Refused("it is older than the one kept".into()));
        for (access, expected) in
            [(None, "no record is open for this call"), (Some(Arc::new(broken) as Arc<dyn RecordsAccess>), "it is older than the one kept")]
        {
            let mut view = RecordsView { access, secrets: &mut secrets };
            let (records::Failure::Unavailable(text) | records::Failure::Refused(text)) =
                view.remove().await.expect("no trap").expect_err("it fails");
            assert_eq!(text, expected);
        }
    }
}
