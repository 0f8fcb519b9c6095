//! The contract in `wit/` as Rust types and traits: the one place where they are generated.
//!
//! The world is `everything`, but no component has to fill it: imports are linked one by one as they are granted, and the exports
//! `source`, `keeper` and `revoker` are looked up apart, so that a component with `source` alone loads.
//!
//! `tracing` stays off: it would log arguments and results, tokens included.

#![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated from wit/, where everything is documented")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "everything",
    imports: {
        // A slow disk or program holds no thread.
        "flytoken:source/records": async | trappable,
        "flytoken:source/command": async | trappable,
        "flytoken:source/files": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "flytoken:source/secrets.secret": super::imports::secrets::Secret },
});
