//! Every misuse that the macros and the compiler's graph check refuse, with the text the user reads.
//!
//! The texts hold for one compiler: they are compared on the version that `rust-version` names.

#[test]
fn misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
