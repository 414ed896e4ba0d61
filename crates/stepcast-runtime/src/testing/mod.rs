//! The test kit: runs a workflow under a seeded scheduler, plays its people, breaks its steps, and says afterwards what
//! caused what. With the feature `testing`.
//!
//! A test with `#[tokio::test(start_paused = true)]` runs on a clock that stands still while anything can be done and
//! then jumps to the next deadline: an hour's retry costs nothing. [`advance`] and [`settle`] move it by hand.
//!
//! ```
//! use std::time::Duration;
//! use stepcast::prelude::*;
//! use stepcast::testing::{TestKit, assert_events};
//!
//! #[event(start)]
//! struct Order { item: String }
//! #[event]
//! struct Packed { item: String }
//! #[event(input_required)]
//! struct MaySend { item: String }
//! #[event(human_response)]
//! struct Decision { yes: bool }
//! #[event(stop)]
//! struct Shipped { sent: bool }
//!
//! #[step(retry(attempts = 3, backoff = "1h"))]
//! async fn pack(order: Order) -> Result<Packed> {
//!     Ok(Packed { item: order.item })
//! }
//! #[step]
//! async fn ask(packed: Packed) -> MaySend {
//!     MaySend { item: packed.item }
//! }
//! #[step]
//! async fn ship(decision: Decision) -> Shipped {
//!     Shipped { sent: decision.yes }
//! }
//! flow!(Shop: Order => Shipped { pack, ask, ship });
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     let recorded = TestKit::new()
//!         .seed(42)
//!         .fail("pack", 1, StepError::msg("no tape"))
//!         .answer(|asked: &MaySend| Decision { yes: asked.item == "tea" })
//!         .run(Shop, Order { item: "tea".into() })
//!         .await;
//!
//!     assert!(recorded.stop().sent);
//!     assert_events!(recorded, [Order, Packed, MaySend, .., Shipped]);
//!     assert_eq!(recorded.executions("pack")[0].attempts, 2);
//!     assert_eq!(recorded.overlay().steps["pack"].failures, 1);
//! }
//! ```

mod hooks;
mod kit;
mod recorded;
mod seed;
mod sequence;

use std::time::Duration;

pub use crate::trace::{ChainLink, Execution};
pub(crate) use hooks::TestHooks;
pub use kit::TestKit;
pub use recorded::Recorded;
pub use sequence::{EventSequence, SequenceItem};
#[doc(hidden)]
pub use sequence::{Pattern, check_events};

pub use crate::assert_events;

/// Moves a paused clock on, stopping at every deadline on the way, and lets what becomes ready run. On a clock that is
/// not paused it just takes that long.
///
/// ```
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let before = tokio::time::Instant::now();
/// stepcast::testing::advance(Duration::from_secs(3_600)).await;
/// assert_eq!(before.elapsed().as_secs(), 3_600);
/// # }
/// ```
pub async fn advance(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Lets everything run that can, on a paused clock: returns once only deadlines and people are waited for.
pub async fn settle() {
    // A paused clock moves only when nothing is ready; a timer has the resolution of a millisecond.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
