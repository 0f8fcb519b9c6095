//! Single files that the operator granted by name.

use crate::Secret;
pub use crate::bindings::files::Failure as FileFailure;

/// Single files that the operator granted by name, such as a secret that is mounted. Needs the grant `files`.
///
/// No function takes a path: which file a name stands for is the operator's word.
pub trait Files {
    /// The content as a secret, without white space around it; at most 16384 bytes of UTF-8.
    ///
    /// # Errors
    ///
    /// [`FileFailure::Denied`] if no file of this name is granted, [`FileFailure::Absent`] if it is not there, [`FileFailure::Failed`] if it
    /// cannot be read or may not be.
    fn file(&self, name: &str) -> Result<Secret, FileFailure>;

    /// The content itself, at most 65536 bytes. Needs `as: bytes` for this name.
    ///
    /// # Errors
    ///
    /// As [`Files::file`].
    fn file_bytes(&self, name: &str) -> Result<Vec<u8>, FileFailure>;
}
