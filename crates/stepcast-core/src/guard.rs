//! User code that is called outside the step runner: a panic in it becomes an error of what was asked for.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Reads or writes a user's type; a panic in its serde code becomes serde's error.
pub(crate) fn serde_code<T>(code: impl FnOnce() -> Result<T, serde_json::Error>) -> Result<T, serde_json::Error> {
    guarded(code).unwrap_or_else(|message| Err(serde::de::Error::custom(format!("its serde code panicked: {message}"))))
}

/// Calls a user's code.
///
/// # Errors
/// The panic's message.
pub(crate) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is not a text".to_owned())
    })
}
