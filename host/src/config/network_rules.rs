//! What the grants `http` and `sockets` have to agree with.

use std::net::{IpAddr, SocketAddr};

use super::{build::Check, origin::At, position::KeyPath, problem::Problem, source::Grants};
use crate::{
    http::{HeaderValueFrom, HttpGrant, Scheme},
    network::{Host, Terms},
};

impl Check<'_> {
    /// Looks at every origin and destination of one source; `path` is that of its grants.
    pub(super) fn network(&mut self, grants: &Grants, path: &KeyPath) {
        let (http, sockets) = (path.key("http"), path.key("sockets"));
        self.count(grants.http.len(), MOST_DESTINATIONS, "origins", &http);
        self.count(grants.sockets.len(), MOST_DESTINATIONS, "destinations", &sockets);
        for (index, grant) in grants.http.iter().enumerate() {
            self.origin(grant, grants, &http.index(index));
            if grants.http[..index].iter().any(|earlier| earlier.origin == grant.origin) {
                self.wrong(&http.index(index), "this origin is granted above already".into());
            }
        }
        for (index, grant) in grants.sockets.iter().enumerate() {
            self.literal(&grant.host, grant.private, &sockets.index(index));
            if grants.sockets[..index].iter().any(|earlier| (&earlier.host, earlier.port) == (&grant.host, grant.port)) {
                self.wrong(&sockets.index(index), "this destination is granted above already".into());
            }
        }
    }

    fn origin(&mut self, grant: &HttpGrant, grants: &Grants, path: &KeyPath) {
        self.literal(&grant.origin.host, grant.private, path);
        if grant.origin.scheme == Scheme::Http {
            if !grant.private {
                self.wrong(path, "`http://` is for private networks alone: write `https://`, or add `private: true`".into());
            }
            if grant.ca.is_some() {
                self.wrong(&path.key("ca"), "certificates vouch for `https://` alone".into());
            }
        }
        let headers = path.key("headers");
        self.count(grant.headers.len(), MOST_HEADERS, "headers", &headers);
        for (name, from) in &grant.headers {
            let lacks = match from {
                HeaderValueFrom::File(file) if !grants.files.contains_key(file) => format!("`files` holds no `{file}`"),
                HeaderValueFrom::Login if !grants.login => "the login is not granted: add `login: true` to these grants".into(),
                HeaderValueFrom::File(_) | HeaderValueFrom::Login => continue,
            };
            self.wrong(&headers.key(name), lacks);
        }
    }

    /// An address that its own grant does not reach is a mistake that need not wait for the first call.
    fn literal(&mut self, host: &Host, private: bool, path: &KeyPath) {
        let Host::Address(address) = host else { return };
        let check = |address: IpAddr| Terms { private, literal: true }.check(SocketAddr::new(address, 1));
        if let Err(prohibited) = check(*address) {
            let more = if prohibited.needs_private() || !private { ": add `private: true` if you mean it" } else { "" };
            self.wrong(path, format!("this is {prohibited}{more}"));
        }
    }

    pub(super) fn wrong(&mut self, path: &KeyPath, text: String) {
        self.report(path, At::Value, Problem::Wrong(text));
    }
}

/// More is no list that anybody has read: a source speaks to a few.
const MOST_DESTINATIONS: usize = 32;

/// Headers of one origin that the host sets.
const MOST_HEADERS: usize = 16;
