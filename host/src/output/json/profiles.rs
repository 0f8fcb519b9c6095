//! `profile list --json`.

use serde::Serialize;

/// The profiles there are.
#[derive(Debug, Serialize)]
pub struct Profiles {
    /// The default one first, then by name.
    pub profiles: Vec<Profile>,
}

/// One account.
#[derive(Debug, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Whether it is in force here.
    pub current: bool,
    /// Whether its file holds a login.
    pub logged_in: bool,
    /// The process of its agent.
    pub agent: Option<u32>,
    /// The folder of its configuration.
    pub config: Option<String>,
    /// The folder of its login.
    pub fly: Option<String>,
}
