//! Users and groups by name.

/// Who knows the numbers of users and groups. Handed in, so that tests do not depend on the machine's.
pub trait Accounts {
    /// The number of a user.
    ///
    /// # Errors
    /// If they cannot be looked up.
    fn user(&self, name: &str) -> Result<Option<u32>, String>;

    /// The number of a group.
    ///
    /// # Errors
    /// If they cannot be looked up.
    fn group(&self, name: &str) -> Result<Option<u32>, String>;
}

/// Those that the system knows, by whatever means it does.
#[derive(Debug, Clone, Copy)]
pub struct SystemAccounts;

impl Accounts for SystemAccounts {
    fn user(&self, name: &str) -> Result<Option<u32>, String> {
        let user = nix::unistd::User::from_name(name).map_err(|error| error.to_string())?;
        Ok(user.map(|user| user.uid.as_raw()))
    }

    fn group(&self, name: &str) -> Result<Option<u32>, String> {
        let group = nix::unistd::Group::from_name(name).map_err(|error| error.to_string())?;
        Ok(group.map(|group| group.gid.as_raw()))
    }
}
