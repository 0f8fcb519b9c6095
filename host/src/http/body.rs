//! Bodies that end: so many bytes and so long a silence, no trailers.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

use super::failure::Failure;

/// A body under bounds. What goes past one is an error in its place; trailers are left out.
pub struct Bounded<B> {
    inner: B,
    left: usize,
    too_long: Failure,
    silence: Option<Silence>,
    /// Held while it is read: a request is one until its answer has ended.
    _slot: Option<OwnedSemaphorePermit>,
}

/// How long nothing may come.
struct Silence {
    at_most: Duration,
    until: Pin<Box<Sleep>>,
}

impl<B> Bounded<B> {
    /// The body of a request: at most [`REQUEST_BYTES`].
    pub fn request(inner: B) -> Self {
        Self { inner, left: REQUEST_BYTES, too_long: Failure::RequestBody, silence: None, _slot: None }
    }

    /// The body of an answer: at most [`RESPONSE_BYTES`], with no silence longer than `at_most` in it.
    pub(super) fn response(inner: B, at_most: Duration, slot: OwnedSemaphorePermit) -> Self {
        let silence = Some(Silence { at_most, until: Box::pin(sleep(at_most)) });
        Self { inner, left: RESPONSE_BYTES, too_long: Failure::ResponseBody, silence, _slot: Some(slot) }
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
            let Some(silence) = &mut self.silence else { return Poll::Pending };
            ready!(silence.until.as_mut().poll(context));
            return Poll::Ready(Some(Err(Failure::BetweenBytes)));
        };
        let data = match frame {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => return Poll::Ready(None),
            },
        };
        match self.left.checked_sub(data.len()) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(self.too_long.clone()))),
        }
        if let Some(silence) = &mut self.silence {
            let until = Instant::now() + silence.at_most;
            silence.until.as_mut().reset(until);
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Longest body of a request, in bytes: a question, not an upload. Whoever may write more could carry off more.
pub const REQUEST_BYTES: usize = 256 << 10;

/// Longest body of an answer, in bytes. A token has fewer than 16 KiB; a list of all there are may be longer.
pub const RESPONSE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use http_body_util::BodyExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    /// Frames that are there, then nothing for ever.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Failure;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
            match self.0.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => Poll::Pending,
            }
        }
    }

    fn data(bytes: usize) -> Frame<Bytes> {
        Frame::data(Bytes::from(vec![b'x'; bytes]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_ends_an_answer_and_its_slot_is_free_again() {
        let slots = Arc::new(Semaphore::new(1));
        let slot = Arc::clone(&slots).try_acquire_owned().unwrap();
        let mut body = Bounded::response(Frames([data(1)].into()), Duration::from_secs(3), slot);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1);
        let before = Instant::now();
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Failure::BetweenBytes);
        assert_eq!(before.elapsed().as_secs(), 3);
        assert_eq!(slots.available_permits(), 0);
        drop(body);
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_body_ends_at_its_bound_and_has_no_trailers() {
        let half = || data(REQUEST_BYTES / 2);
        let mut body = Bounded::request(Frames([half(), half(), data(1)].into()));
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.unwrap().is_ok());
        assert_eq!(body.frame().await.unwrap().unwrap_err(), Failure::RequestBody);
        let mut body = Bounded::request(Frames([Frame::trailers(http::HeaderMap::new())].into()));
        assert!(body.frame().await.is_none());
    }
}
