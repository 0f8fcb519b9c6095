//! How a client and the agent talk: the protocol, version 1, for clients in any language.
//!
//! # Connection
//!
//! The agent listens on a Unix stream socket, `agent.sock`, in a directory of mode 0700. Only processes of the same user are heard:
//! the agent looks at the peer's uid when it accepts and hangs up on others, and a client should look at the agent's uid likewise.
//! The client speaks first. There is no greeting and no farewell; either side may close.
//!
//! # Frames
//!
//! Both directions carry frames: a length of 4 bytes, big-endian, then as many bytes, which are one `MessagePack` map with string keys.
//!
//! | direction | keys | at most |
//! | --- | --- | --- |
//! | request | `v`, `id`, `request` | 64 KiB |
//! | answer | `v`, `id` and either `reply` or `failure` | 1 MiB |
//!
//! - `v` is the protocol version, the number 1.
//! - `id` is a number that the client chooses, from 1 to 2^64-1; the answer carries the same. Requests may be sent without waiting for
//!   answers, and answers come in any order. The agent works on at most 128 requests of one connection at a time and reads no further
//!   meanwhile, so a client must read answers while it sends.
//! - A failure with `id` 0 is about the connection: bytes that are no request, a frame that is too long, a version that the agent does
//!   not speak, too many connections. It is the last frame before the agent closes, and has this form in every version, so that two
//!   versions that meet can say what mends it.
//! - A failure with the code `agent` comes from an agent that is about to stop: whoever asks again within two seconds may meet the next one.
//!
//! A frame has to be complete within 10 seconds of its first byte; between frames a connection may be idle for as long as it likes. A client that does
//! not take its answers for 30 seconds is hung up on.
//!
//! # Messages
//!
//! Keys and enumerated texts are kebab-case. Times are milliseconds since 1970-01-01T00:00:00Z. An absent option is `nil`, or is left
//! out. [`Request`] lists the requests, told apart by the key `op`, and [`Reply`] the replies, told apart by the key `reply`. As an
//! example, `get` for the app `web`, and its answer:
//!
//! ```text
//! {"v": 1, "id": 7, "request": {"op": "get", "app": "web", "kind": "readonly"}}
//! {"v": 1, "id": 7, "reply": {"reply": "token", "token": "fm2_…,fm2_…", "lease": {"app": "web", "kind": "readonly", "source": "cli",
//!   "expiry": {"at": 1700000000000}, "obtained": 1699913600000, "fingerprint": "0123456789abcdef"}}}
//! ```
//!
//! `expiry` is `{"at": time}`, `"never"` or `"unknown"`. The token comes without a scheme: put `FlyV1` and a space before a list that
//! holds a macaroon (`fm2_`, `fm1r_`, `fm1a_`), `Bearer` and a space before a user token in an HTTP header.
//!
//! # Change
//!
//! Within a version keys never change meaning. Replies and failures may grow new keys, which a client has to ignore; the agent refuses
//! requests with keys or operations that it does not know, since doing less than was asked may hand out more than was meant.

mod buffer;
mod frame;
mod message;
pub mod skew;
mod status;

pub use buffer::{Incoming, Outgoing};
pub use frame::{Answer, FrameError, MAX_ANSWER, MAX_REQUEST, VERSION, decode_answer, decode_request, encode_answer, encode_request};
pub use message::*;
pub use status::*;
