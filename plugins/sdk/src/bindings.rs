//! The code generated from `wit/`. Nothing else in this crate touches the component ABI.
//!
//! What a component exports is what the worlds it was generated from say, so each export has a world of its own: a keeper joins the two. All
//! share the types of the first module; of its imports, a component has those that it calls.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated code, which differs from target to target")]

mod imports {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package flytoken:sdk;
            world imports {
                import flytoken:source/command@0.1.1;
                import flytoken:source/files@0.1.1;
                import flytoken:source/login@0.1.1;
                import flytoken:source/records@0.1.1;
                import flytoken:source/secrets@0.1.1;
                import flytoken:source/settings@0.1.1;
                import flytoken:source/types@0.1.1;
            }
        ",
        world: "flytoken:sdk/imports",
        additional_derives: [PartialEq, Eq],
        additional_derives_ignore: ["lease"],
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
mod wasi {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package flytoken:sdk;
            world http {
                import wasi:http/outgoing-handler@0.2.12;
            }
        ",
        world: "flytoken:sdk/http",
        generate_all,
    });
}

/// What is needed of `wasi:http` and of what it is made of.
#[cfg(target_family = "wasm")]
pub mod http {
    pub use super::wasi::wasi::{
        http::{outgoing_handler, types},
        io::streams,
    };
}

pub use imports::flytoken::source::{command, files, records, secrets, types};
#[cfg(target_family = "wasm")]
pub use imports::flytoken::source::{login, settings};

#[cfg(target_family = "wasm")]
pub mod source {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "token-source",
        pub_export_macro: true,
        export_macro_name: "export_resolving",
        with: {
            "flytoken:source/secrets@0.1.1": crate::bindings::secrets,
            "flytoken:source/settings@0.1.1": crate::bindings::settings,
            "flytoken:source/types@0.1.1": crate::bindings::types,
        },
    });
}

#[cfg(target_family = "wasm")]
pub mod keeper {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package flytoken:sdk;
            world keeper {
                export flytoken:source/keeper@0.1.1;
            }
        ",
        world: "flytoken:sdk/keeper",
        pub_export_macro: true,
        export_macro_name: "export_keeping",
        with: {
            "flytoken:source/secrets@0.1.1": crate::bindings::secrets,
            "flytoken:source/types@0.1.1": crate::bindings::types,
        },
    });
}

#[cfg(target_family = "wasm")]
pub mod revoker {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package flytoken:sdk;
            world revoker {
                export flytoken:source/revoker@0.1.1;
            }
        ",
        world: "flytoken:sdk/revoker",
        pub_export_macro: true,
        export_macro_name: "export_revoking",
        with: {
            "flytoken:source/secrets@0.1.1": crate::bindings::secrets,
            "flytoken:source/types@0.1.1": crate::bindings::types,
        },
    });
}
