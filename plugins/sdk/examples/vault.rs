//! A vault that holds one token, in its `settings`: the smallest source there is. It needs no grant.

use flytoken_source::{Expiry, Host, Lease, Refusal, Request, Secret, Settings, Source};

struct Vault;

impl Source for Vault {
    fn resolve(request: &Request) -> Result<Lease, Refusal> {
        let token = Host.setting("token").ok_or_else(|| Refusal::absent(format!("the vault holds nothing for `{}`", request.app)))?;
        Ok(Lease::new(Secret::seal(&token), Expiry::Unknown).with_id("vault"))
    }
}

flytoken_source::export_source!(Vault);
