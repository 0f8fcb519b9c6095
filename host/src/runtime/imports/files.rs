//! `flytoken:source/files`: single files by the names that the operator granted.

use std::sync::Arc;

use wasmtime::component::{HasData, Resource};
use zeroize::Zeroizing;

use super::secrets::{Secret, Secrets};
use crate::{
    granted_files::FileForm,
    runtime::{
        access::{FilesAccess, FilesFailure},
        bindings::flytoken::source::files,
    },
};

/// What answers `files`: the files, and the table that their handles go into.
pub(in crate::runtime) struct FilesView<'a> {
    /// The files; none only if the host linked `files` and then lends none.
    pub(in crate::runtime) access: Option<Arc<dyn FilesAccess>>,
    /// Where handles go.
    pub(in crate::runtime) secrets: &'a mut Secrets,
}

async fn content(access: Option<Arc<dyn FilesAccess>>, name: &str, form: FileForm) -> Result<Zeroizing<Vec<u8>>, files::Failure> {
    let access = access.ok_or_else(|| files::Failure::Denied("no file is open for this call".into()))?;
    access.read(name, form).await.map_err(|failure| match failure {
        FilesFailure::Denied(line) => files::Failure::Denied(line),
        FilesFailure::Absent => files::Failure::Absent,
        FilesFailure::Failed(text) => files::Failure::Failed(text),
    })
}

impl files::Host for FilesView<'_> {
    async fn seal(&mut self, name: String) -> wasmtime::Result<Result<Resource<Secret>, files::Failure>> {
        let bytes = match content(self.access.clone(), &name, FileForm::Secret).await {
            Ok(bytes) => bytes,
            Err(failure) => return Ok(Err(failure)),
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Ok(Err(files::Failure::Failed("the file is not UTF-8 text".into())));
        };
        self.secrets.keep(Zeroizing::new(text.to_owned())).map(Ok)
    }

    async fn read(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, files::Failure>> {
        // The copy that goes to the source is out of the host's hands; its own is wiped.
        Ok(content(self.access.clone(), &name, FileForm::Bytes).await.map(|bytes| bytes.to_vec()))
    }
}

/// Lets the linker borrow a [`FilesView`], and nothing else, out of a call.
pub(in crate::runtime) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}
