//! The components that the host carries in itself: the built-in sources, and those of the demo.

/// The built-in source behind `builtin:NAME`.
pub fn component(name: &str) -> Option<&'static [u8]> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// A source of the demo.
pub fn demo(name: &str) -> Option<&'static [u8]> {
    DEMO.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
