//! What comes to be at the first use and stays.

use std::path::Path;

use flytoken::{client::Client, kind::Kind, protocol::Request};

use super::world::{app, minted_app, nobody};

/// Has the databases come to be, and what each source keeps in memory once it was asked.
pub(crate) fn begin(socket: &Path) {
    let mut client = Client::connect(socket).unwrap();
    let kind = Some(Kind::Readonly);
    // One app of each class; whether its source is down at the moment does not matter.
    for app in (0..5).map(app) {
        let _ = client.ask(&Request::Refresh { app, kind }).unwrap();
    }
    client.ask(&Request::Refresh { app: minted_app(), kind }).unwrap().unwrap();
    let fingerprint = Some("0123456789abcdef".parse().unwrap());
    client.ask(&Request::Invalidate { app: nobody(), kind, fingerprint }).unwrap().unwrap();
}
