//! What the macros refuse before they write any code: everything that can be seen in the tokens alone.

pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod signature;
