//! One durable lease of a source.

use crate::Lease;
pub use crate::bindings::records::Failure as RecordFailure;

/// One durable, sealed lease of this source, for the app and kind of this call; in the role `manual` for the app alone. Needs the grant
/// `records`.
///
/// No function takes an app: a source cannot name another one's record.
pub trait Records {
    /// The lease that was saved last, unless it was removed, invalidated, or made under settings that no longer hold.
    ///
    /// # Errors
    ///
    /// [`RecordFailure::Unavailable`] if the record cannot be read.
    fn load(&self) -> Result<Option<Lease>, RecordFailure>;

    /// Saves the lease in place of the one before. It is on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`RecordFailure::Unavailable`] if nothing was written; [`RecordFailure::Refused`] if the lease is older than the one kept, or
    /// was invalidated.
    fn save(&self, lease: Lease) -> Result<(), RecordFailure>;

    /// Removes the lease; to remove nothing is no failure.
    ///
    /// # Errors
    ///
    /// [`RecordFailure::Unavailable`] if the record may still be there.
    fn remove(&self) -> Result<(), RecordFailure>;
}
