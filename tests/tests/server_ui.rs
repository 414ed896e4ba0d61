//! Streams for UI toolkits: the exact frames of AG-UI 1.0 and of the AI SDK's UI message stream for the example's workflows,
//! on runs in memory and on runs in a store; and the official npm clients against a served program.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "server_ui/ag_ui.rs"]
mod ag_ui;
#[path = "server_ui/ai_sdk.rs"]
mod ai_sdk;
#[path = "server_ui/clients.rs"]
mod clients;
#[path = "server_ui/pauses.rs"]
mod pauses;
#[path = "server_ui/served.rs"]
mod served;
#[path = "server_ui/state.rs"]
mod state;
