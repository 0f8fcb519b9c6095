//! Docker's side of it: how a client asks a credential helper, and the file in which it is told which helper to ask.

mod configuration;
mod helper;

pub use configuration::{Configuration, ConfigurationError, file};
pub use helper::{Credentials, NO_SERVER, NOT_FOUND, Question, is_fly, is_helper};

/// Fly's registry, the only one that gets a token. Not `FLY_REGISTRY_HOST`: who sets a variable is not who is to get tokens.
pub const REGISTRY: &str = "registry.fly.io";

/// Under this name Docker's configuration knows the helper.
pub const HELPER: &str = "flytoken";

/// The program that it starts under that name.
pub const PROGRAM: &str = "docker-credential-flytoken";
