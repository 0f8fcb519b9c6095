//! Remembering what others obtained. It takes the host as an argument, so that a test can hand in another.

use flytoken_source::{Lease, Records, Refusal, Request};

/// The lease that was kept for the app and kind of `request`: flytoken finds the record, no function takes an app.
pub fn resolve(request: &Request, host: &impl Records) -> Result<Lease, Refusal> {
    host.load()?.ok_or_else(|| Refusal::absent(format!("nothing kept for `{}`", request.app)))
}

pub fn keep(lease: Lease, host: &impl Records) -> Result<(), Refusal> {
    Ok(host.save(lease)?)
}

pub fn forget(host: &impl Records) -> Result<(), Refusal> {
    Ok(host.remove()?)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use flytoken_source::{Expiry, Intent, Kind, RecordFailure, Secret};

    use super::*;

    #[derive(Default)]
    struct Shelf(RefCell<Option<Lease>>);

    impl Records for Shelf {
        fn load(&self) -> Result<Option<Lease>, RecordFailure> {
            Ok(self.0.take())
        }

        fn save(&self, lease: Lease) -> Result<(), RecordFailure> {
            self.0.replace(Some(lease));
            Ok(())
        }

        fn remove(&self) -> Result<(), RecordFailure> {
            self.0.take();
            Ok(())
        }
    }

    #[test]
    fn what_was_kept_is_the_answer_until_it_is_forgotten() {
        let request = Request { app: "web".into(), kind: Kind::Readonly, organization: None, intent: Intent::Resolve, now: 1000, lifetime: 60 };
        let shelf = Shelf::default();
        let lease = || Lease::new(Secret::seal("fm2_x"), Expiry::Unknown);
        keep(lease(), &shelf).unwrap();
        assert_eq!(resolve(&request, &shelf).unwrap(), lease());
        keep(lease(), &shelf).unwrap();
        forget(&shelf).unwrap();
        assert!(matches!(resolve(&request, &shelf), Err(Refusal::Absent(_))));
    }
}
