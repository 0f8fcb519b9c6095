//! Pushing numbers to an OpenTelemetry collector: one bounded request at a time, and no second one for what was not taken.

use std::{collections::BTreeMap, convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::time::timeout;

use super::endpoint::Endpoint;
use crate::{
    denials::Denials,
    granted_files::{self, FileForm, FileGrant},
    http::{Answer, Client, Failure, HeaderValueFrom, HttpGrant, Patience},
    network::SystemResolver,
};

/// Where numbers are pushed, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Who takes them.
    pub endpoint: Endpoint,
    /// How long from one push to the next: 1 second to 1 hour.
    pub every: Duration,
    /// The certificates that vouch for it, in place of the machine's own roots.
    pub ca: Option<PathBuf>,
    /// Headers of each request, by their names in lower case: the files that hold their values, read each time.
    pub headers: BTreeMap<String, PathBuf>,
}

impl Collector {
    /// Sends `request`, a text of JSON, and waits for what the collector says to it: ten seconds at most, in all.
    ///
    /// # Errors
    /// [`Unpushed`] says why not all of it was taken. Its text repeats nothing that the collector said, and holds no value of a header.
    pub async fn push(&self, request: String) -> Result<(), Unpushed> {
        timeout(PATIENCE, self.exchange(request)).await.unwrap_or(Err(Unpushed::TooLate))
    }

    async fn exchange(&self, request: String) -> Result<(), Unpushed> {
        let request = Request::post(self.endpoint.metrics())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("flytoken/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(request)).map_err(never as fn(Infallible) -> Failure))
            .map_err(|_| Failure::Invalid("its address"))?;
        let Answer { response, connection } = self.client().send(request, Patience::new(None, None, None)).await?;
        tokio::select! {
            biased;
            taken = taken(response) => taken,
            // What was read of the answer by then is all there is.
            broken = async {
                match connection.await {
                    Ok(()) => std::future::pending().await,
                    Err(failure) => failure,
                }
            } => Err(broken.into()),
        }
    }

    /// A collector may lie in a private network: whoever wrote it down meant it.
    fn client(&self) -> Client {
        let headers = self.headers.keys().map(|name| (name.clone(), HeaderValueFrom::File(name.clone())));
        let grant = HttpGrant { origin: self.endpoint.origin().clone(), private: true, ca: self.ca.clone(), headers: headers.collect() };
        let file = |(name, path): (&String, &PathBuf)| (name.clone(), FileGrant { path: path.clone(), form: FileForm::Secret });
        let files = self.headers.iter().map(file).collect();
        Client::new(vec![grant], granted_files::access(&files), None, Arc::new(SystemResolver), Denials::default())
    }
}

/// Why numbers were not taken, or not all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpushed {
    /// There was no answer.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The answer took too long, from the first address to its last byte.
    #[error("the collector took longer than {} s", PATIENCE.as_secs())]
    TooLate,
    /// It is somewhere else.
    #[error("the collector answered {0}, which leads elsewhere: write that endpoint down")]
    Redirected(u16),
    /// Who asks has to show something.
    #[error("the collector answered {0}: name the file of a header that lets flytoken in under `headers`")]
    Unknown(u16),
    /// It says no.
    #[error("the collector answered {0}")]
    Refused(u16),
    /// It took the rest.
    #[error("the collector left out {0} of the numbers")]
    Partly(u64),
}

/// What the collector says by its answer. That of a refusal is not even read.
async fn taken<B>(response: Response<B>) -> Result<(), Unpushed>
where
    B: http_body::Body<Data = Bytes, Error = Failure> + Unpin,
{
    let status = response.status();
    match status {
        _ if status.is_success() => {}
        _ if status.is_redirection() => return Err(Unpushed::Redirected(status.as_u16())),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Unpushed::Unknown(status.as_u16())),
        _ => return Err(Unpushed::Refused(status.as_u16())),
    }
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(|error| {
        let failure = error.downcast::<Failure>().map(|failure| *failure);
        failure.unwrap_or_else(|error| if error.is::<LengthLimitError>() { Failure::ResponseBody } else { Failure::Incomplete })
    })?;
    match left_out(&body.to_bytes()) {
        0 => Ok(()),
        count => Err(Unpushed::Partly(count)),
    }
}

/// How many numbers an answer says were not taken; an answer that says nothing took all.
fn left_out(answer: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let count = &answer["partialSuccess"]["rejectedDataPoints"];
    count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or_default()
}

fn never(never: Infallible) -> Failure {
    match never {}
}

/// A collector is near, or of no use.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an answer: two short fields.
const LONGEST_ANSWER: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_how_much_was_left_out() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            ("not JSON", 0),
            ("[]", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedDataPoints":"0","errorMessage":"fine, but"}}"#, 0),
            (r#"{"partialSuccess":{"rejectedDataPoints":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedDataPoints":3}}"#, 3),
            (r#"{"partialSuccess":{"rejectedDataPoints":-1}}"#, 0),
        ] {
            assert_eq!(left_out(answer.as_bytes()), count, "{answer}");
        }
    }
}
