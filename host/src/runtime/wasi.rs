//! What language runtimes import whatever their code does, over an empty context: no files, no arguments, and neither variables
//! nor destinations but granted ones.
//! Clocks work, randomness is bounded, and what is written to stdout or stderr becomes the source's log.

use std::{
    future::ready,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};
use zeroize::Zeroizing;

use super::{
    imports::sockets::may,
    limits::{HANDLES, LOG_BYTES, RANDOM_BYTES},
    trace::Tracer,
};
use crate::network::Sockets;

/// WASI for one call. Its handles live in a table of their own, apart from the secrets.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    log: Log,
}

impl Wasi {
    /// A context that is empty but for the variables that were granted.
    pub(super) fn new(env: &[(String, String)], sockets: Option<&Arc<Sockets>>, trace: &Tracer) -> Self {
        let log = Log::default();
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let mut builder = WasiCtx::builder();
        builder
            .envs(env)
            .stdout(log.clone())
            .stderr(log.clone())
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(sockets.is_some())
            .allow_udp(false)
            // Ours answers in its place, where there is one at all.
            .allow_ip_name_lookup(false);
        if let Some(sockets) = sockets {
            let (sockets, trace) = (Arc::clone(sockets), trace.clone());
            builder.socket_addr_check(move |address, purpose| Box::pin(ready(may(&sockets, address, purpose, &trace))));
        }
        let context = builder.build();
        Self { context, table, log }
    }

    /// Lends the context to the engine's WASI.
    pub(super) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }

    /// Where the handles lie.
    pub(super) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// What the source wrote.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }
}

/// Everything that one call writes, in the order it came, up to a cap; what comes after that is dropped without a word to the source. The
/// engine's own pipe would end the call.
///
/// Kept until the call is over: a token may be printed first and sealed later.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Zeroizing<Vec<u8>>>>);

impl Log {
    fn append(&self, bytes: &[u8]) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.capacity() == 0 {
            // Set aside at once: a buffer that grows leaves copies behind.
            text.reserve_exact(LOG_BYTES);
        }
        let room = LOG_BYTES - text.len();
        text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Calls `line` with each line that is not empty. The lines are the source's own text.
    pub(super) fn for_each_line(&self, mut line: impl FnMut(&str)) {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|bytes| !bytes.is_empty()) {
            line(&Zeroizing::new(String::from_utf8_lossy(bytes).into_owned()));
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Asked for by WASI 0.3 alone, which is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Log {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_beginning_and_never_fails() {
        let mut log = Log::default();
        log.write(Bytes::from_static(b"one\r\n\n  two \n\xff\n")).expect("room");
        for _ in 0..100 {
            assert_eq!(log.check_write().expect("always"), LOG_BYTES);
            log.write(Bytes::from(vec![b'x'; LOG_BYTES])).expect("dropped, not refused");
        }
        let (mut lines, mut size) = (Vec::new(), 0);
        log.for_each_line(|line| {
            size += line.len();
            lines.push(line.to_owned());
        });
        assert_eq!(lines[..3], ["one", "two", "\u{fffd}"]);
        assert_eq!(lines.len(), 4);
        assert!(size <= LOG_BYTES + 4);
    }
}
