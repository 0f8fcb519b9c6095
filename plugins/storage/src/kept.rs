//! A lease of an earlier run.

use flytoken_source::{Lease, Records, Refusal, Request};

/// The lease that was kept last.
pub(crate) fn resolve(request: &Request, host: &impl Records) -> Result<Lease, Refusal> {
    host.load()?.ok_or_else(|| Refusal::absent(format!("nothing kept for `{}`", request.app)))
}

/// Keeps `lease` for later runs. One that the host will not keep, since a newer one is there, is `absent`, no failure.
pub(crate) fn keep(lease: Lease, host: &impl Records) -> Result<(), Refusal> {
    Ok(host.save(lease)?)
}

/// Forgets the lease.
pub(crate) fn forget(host: &impl Records) -> Result<(), Refusal> {
    Ok(host.remove()?)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use flytoken_source::{Expiry, Intent, Kind, RecordFailure, Secret};

    use super::*;

    /// A host with one record, or one that fails as it says.
    #[derive(Default)]
    struct Record {
        lease: RefCell<Option<Lease>>,
        failure: Option<RecordFailure>,
    }

    impl Record {
        fn check(&self) -> Result<(), RecordFailure> {
            self.failure.clone().map_or(Ok(()), Err)
        }
    }

    impl Records for Record {
        fn load(&self) -> Result<Option<Lease>, RecordFailure> {
            self.check().map(|()| self.lease.take())
        }

        fn save(&self, lease: Lease) -> Result<(), RecordFailure> {
            self.check().map(|()| drop(self.lease.replace(Some(lease))))
        }

        fn remove(&self) -> Result<(), RecordFailure> {
            self.check().map(|()| drop(self.lease.take()))
        }
    }

    fn request() -> Request {
        Request { app: "web".to_owned(), kind: Kind::Deploy, organization: None, intent: Intent::Resolve, now: 1_000, lifetime: 600 }
    }

    fn lease() -> Lease {
        Lease::new(Secret::seal("FlyV1 fm2_canary"), Expiry::At(1_600)).with_id("flytoken-web")
    }

    #[test]
    fn a_lease_is_answered_until_it_is_forgotten() {
        let record = Record::default();
        let absent = Err(Refusal::absent("nothing kept for `web`"));
        assert_eq!(resolve(&request(), &record), absent);
        assert_eq!(keep(lease(), &record), Ok(()));
        assert_eq!(resolve(&request(), &record), Ok(lease()));
        assert_eq!(keep(lease(), &record), Ok(()));
        assert_eq!(forget(&record), Ok(()));
        assert_eq!(resolve(&request(), &record), absent);
    }

    #[test]
    fn a_record_that_fails_is_named() {
        for (failure, expected) in [
            (RecordFailure::Unavailable("disk full".to_owned()), Refusal::unavailable("disk full")),
            (RecordFailure::Refused("a newer one is kept".to_owned()), Refusal::absent("a newer one is kept")),
        ] {
            let record = Record { failure: Some(failure), ..Record::default() };
            assert_eq!(resolve(&request(), &record), Err(expected.clone()));
            assert_eq!(keep(lease(), &record), Err(expected.clone()));
            assert_eq!(forget(&record), Err(expected));
        }
    }
}
