//! A whole component around what a test writes.

/// The component whose frame is `source.wat` with each of these words replaced: see the comment in there.
pub(crate) fn component(replaced: &[(&str, &str)]) -> Vec<u8> {
    let frame = include_str!("source.wat").split_once("\n(component").expect("the frame has a comment first").1;
    let text = replaced.iter().fold(format!("(component{frame}"), |text, (what, by)| {
        assert!(text.contains(what), "{what} is not in the frame");
        text.replace(what, by)
    });
    wat::parse_str(text).unwrap_or_else(|error| panic!("the frame does not fit: {error}"))
}

/// The function that a request arrives at. It answers by returning an address, at which the answer lies.
pub(crate) fn resolve(body: &str) -> String {
    format!("(func (export \"resolve\") (param i32 i32 i32 i32 i32 i32 i32 i64 i32) (result i32) {body})")
}
