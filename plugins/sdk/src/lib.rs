//! What the author of a token source sees.
//!
//! A source is one WebAssembly component that may know a Fly.io API token for an app. It implements [`Source`]; one that also
//! remembers tokens implements [`Keeper`], and one that can revoke what it minted [`Revoker`]. Build it as a `cdylib` for the target
//! `wasm32-wasip2`.
//!
//! ```
//! use flytoken_source::{Expiry, Host, Lease, Refusal, Request, Secret, Settings, Source};
//!
//! /// A vault that holds one token, in its `settings`.
//! struct Vault;
//!
//! impl Source for Vault {
//!     fn resolve(request: &Request) -> Result<Lease, Refusal> {
//!         open(request, &Host)
//!     }
//! }
//!
//! /// The logic stands apart from the host, so that a native test can hand in settings of its own.
//! fn open(request: &Request, settings: &impl Settings) -> Result<Lease, Refusal> {
//!     let Some(token) = settings.setting("token") else {
//!         return Err(Refusal::absent(format!("the vault holds nothing for `{}`", request.app)));
//!     };
//!     Ok(Lease::new(Secret::seal(&token), Expiry::At(request.now + u64::from(request.lifetime))))
//! }
//!
//! flytoken_source::export_source!(Vault);
//! # fn main() {}
//! ```
//!
//! # What a source may do
//!
//! A component asks for exactly the interfaces whose functions it calls: [`Settings`] and [`Secret`] need no grant, [`Login`],
//! [`Records`], [`Commands`], [`Files`] and [`Http`] need the grant of that name in the operator's configuration. A component that asks for
//! what was not granted is not loaded. With the grant `sockets`, `std::net::TcpStream` connects to granted destinations.
//!
//! Each call runs in a fresh instance: nothing that is kept in a `static` survives it.
//!
//! # Outside a component
//!
//! Everything here compiles for the machine that runs the tests, too. There a [`Secret`] holds its own text, and [`Host`] has nothing
//! to offer: no settings, no login, and an error from everything else. Tests implement the traits on types of their own.

mod bindings;
mod command;
mod export;
mod files;
#[cfg_attr(target_family = "wasm", path = "host/component.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "host/outside.rs")]
mod host;
mod http;
mod lease;
mod login;
mod records;
mod refusal;
mod secret;
mod settings;

pub use bindings::types::{Expiry, HumanAction, Intent, Kind, Refusal, Request};
pub use command::{CommandFailure, Commands, Output};
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use export::private as __private;
pub use files::{FileFailure, Files};
pub use http::{Http, HttpError, HttpRequest, HttpResponse};
pub use lease::Lease;
pub use login::Login;
pub use records::{RecordFailure, Records};
pub use secret::{Denied, Secret};
pub use settings::Settings;

/// A place a token may come from. The host asks sources in the order of the operator's chain.
pub trait Source {
    /// Resolves a token for the app and kind of `request`.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] says why there is none, which decides how the host goes on. Its text is shown to people.
    fn resolve(request: &Request) -> Result<Lease, Refusal>;
}

/// A source that remembers what others obtained.
pub trait Keeper: Source {
    /// Remembers `lease` for the app and kind of `request`, so that [`Source::resolve`] answers with it from now on.
    ///
    /// # Errors
    ///
    /// The lease was not remembered.
    fn keep(request: &Request, lease: Lease) -> Result<(), Refusal>;

    /// Forgets what is remembered for the app and kind of `request`. To forget nothing is no refusal.
    ///
    /// # Errors
    ///
    /// What is remembered may still be there.
    fn forget(request: &Request) -> Result<(), Refusal>;
}

/// A source that can revoke what it minted.
pub trait Revoker: Source {
    /// Revokes the one token that is called `name` where it was minted, for the app and kind of `request`.
    ///
    /// An answer means that the token is known to be good no longer, by a look at it afterwards.
    ///
    /// # Errors
    ///
    /// Whatever leaves a doubt; a name that no token has, or several.
    fn revoke(request: &Request, name: &str) -> Result<Revocation, Refusal>;
}

/// How a token ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It was good, and this call revoked it.
    Revoked,
    /// It had been revoked before.
    AlreadyRevoked,
}

/// The host that runs this component, as [`Settings`], [`Login`], [`Records`], [`Commands`], [`Files`] and [`Http`].
#[derive(Debug, Clone, Copy)]
pub struct Host;
