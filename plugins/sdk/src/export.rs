//! How a [`Source`](crate::Source) becomes a component.

/// Makes a type that implements [`Source`](crate::Source) the component's export. Call it once, in the crate that is a `cdylib`.
///
/// Outside a component it only checks the type.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        const _: () = {
            type Component = $crate::__private::Adapter<$source>;
    $crate::__private::source::export_resolving!(Component with_types_in $crate::__private::source);
        };
    };
}

/// Makes a type that implements [`Keeper`](crate::Keeper) the component's exports, in place of
/// [`export_source!`](crate::export_source).
///
/// Outside a component it only checks the type.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_keeper {
    ($keeper:ty) => {
        $crate::export_source!($keeper);
        const _: () = {
            type Component = $crate::__private::Adapter<$keeper>;
    $crate::__private::keeper::export_keeping!(Component with_types_in $crate::__private::keeper);
        };
    };
}

/// Makes a type that implements [`Revoker`](crate::Revoker) the component's export of that interface, beside
/// [`export_source!`](crate::export_source) or [`export_keeper!`](crate::export_keeper).
///
/// Outside a component it only checks the type.
#[cfg(target_family = "wasm")]
#[macro_export]
macro_rules! export_revoker {
    ($revoker:ty) => {
        const _: () = {
            type Component = $crate::__private::Adapter<$revoker>;
    $crate::__private::revoker::export_revoking!(Component with_types_in $crate::__private::revoker);
        };
    };
}

/// Makes a type that implements [`Source`](crate::Source) the component's export. Call it once, in the crate that is a `cdylib`.
///
/// Outside a component it only checks the type.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        const _: fn(&$crate::Request) -> Result<$crate::Lease, $crate::Refusal> = <$source as $crate::Source>::resolve;
    };
}

/// Makes a type that implements [`Keeper`](crate::Keeper) the component's exports, in place of
/// [`export_source!`](crate::export_source).
///
/// Outside a component it only checks the type.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_keeper {
    ($keeper:ty) => {
        const _: fn(&$crate::Request) -> Result<(), $crate::Refusal> = <$keeper as $crate::Keeper>::forget;
    };
}

/// Makes a type that implements [`Revoker`](crate::Revoker) the component's export of that interface, beside
/// [`export_source!`](crate::export_source) or [`export_keeper!`](crate::export_keeper).
///
/// Outside a component it only checks the type.
#[cfg(not(target_family = "wasm"))]
#[macro_export]
macro_rules! export_revoker {
    ($revoker:ty) => {
        const _: fn(&$crate::Request, &str) -> Result<$crate::Revocation, $crate::Refusal> = <$revoker as $crate::Revoker>::revoke;
    };
}

/// What the macros expand to. No part of the interface.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod private {
    use std::marker::PhantomData;

    use crate::bindings::revoker::exports::flytoken::source::revoker as revoking;
    use crate::bindings::{self, types};
    pub use crate::bindings::{keeper, revoker, source};
    use crate::{Keeper, Refusal, Request, Revocation, Revoker, Source};

    /// Stands between the generated traits and an author's type.
    #[derive(Debug)]
    pub struct Adapter<S>(PhantomData<S>);

    impl<S: Source> bindings::source::exports::flytoken::source::source::Guest for Adapter<S> {
        fn resolve(request: Request) -> Result<types::Lease, Refusal> {
            S::resolve(&request).map(Into::into)
        }
    }

    impl<K: Keeper> bindings::keeper::exports::flytoken::source::keeper::Guest for Adapter<K> {
        fn keep(request: Request, lease: types::Lease) -> Result<(), Refusal> {
            K::keep(&request, lease.into())
        }

        fn forget(request: Request) -> Result<(), Refusal> {
            K::forget(&request)
        }
    }

    impl<R: Revoker> revoking::Guest for Adapter<R> {
        fn revoke(request: Request, name: String) -> Result<revoking::Revocation, Refusal> {
            R::revoke(&request, &name).map(|revocation| match revocation {
                Revocation::Revoked => revoking::Revocation::Revoked,
                Revocation::AlreadyRevoked => revoking::Revocation::AlreadyRevoked,
            })
        }
    }
}
