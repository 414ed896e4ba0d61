//! One socket. Everything on it is done by one task: while a frame is written nothing is read, and each attached run is a
//! cursor of its log, so that nothing piles up for a client that is slow.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use axum::http::StatusCode;
use futures_util::SinkExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt};
use serde_json::{Value, json};
use stepcast::{RunId, StreamItem};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ask::{Ask, Attach, Named, Request, Start};
use super::tell::{about, frame, refusal};
use crate::access::Access;
use crate::app::App;
use crate::error::ApiError;
use crate::resources::begin;
use crate::resources::events::Outside;
use crate::resources::inputs::{give, page_of};
use crate::resources::json::{EventJson, InputJson, RunJson, Types};
use crate::resources::texts::After;
use crate::resources::views::Shown;
use crate::runs::Follow;

/// The most runs that a socket is attached to at once.
const MAX_ATTACHED: usize = 64;
/// How many events are written between two looks at what the client says.
const BATCH: usize = 64;
/// A client that is not heard of for so many heartbeats, or does not read for as long, is gone.
const SILENT: u32 = 3;
/// How long a client has to close its side.
const CLOSING: Duration = Duration::from_secs(1);

/// What a run's cursor finds.
enum Found {
    Items(RunId, Vec<StreamItem>),
    /// The stream is over.
    End(RunId),
}

/// The client is gone.
struct Gone;

pub(super) struct Socket {
    app: App,
    access: Access,
    /// The run that requests are about that name none.
    own: Named,
    attached: HashMap<RunId, Attached>,
    cursors: SelectAll<Abortable<BoxStream<'static, Found>>>,
}

struct Attached {
    cursor: AbortHandle,
    types: Types,
    /// Views in place of events.
    shown: Option<Shown>,
}

impl Attached {
    /// Writes what a client sees of an item.
    fn write(&mut self, run: &RunId, item: &StreamItem, access: Access, frames: &mut Vec<String>) {
        match (item, &mut self.shown) {
            (StreamItem::Event(event), Some(shown)) => {
                frames.extend(shown.item(run, event).map(|view| frame("view", None, &view)));
            }
            (StreamItem::Event(event), None) if self.types.take(&event.event) => {
                frames.push(frame("event", None, &EventJson::streamed(run, event, access)));
            }
            (StreamItem::Event(_), None) => {}
            (StreamItem::Lagged { from, to } | StreamItem::Unreadable { from, to, .. }, _) => {
                let lost = json!({ "run_id": run.as_str(), "from": from, "to": to });
                frames.push(frame("lagged", None, &lost));
            }
        }
    }
}

impl Socket {
    pub(super) fn new(app: App, access: Access, own: Named) -> Self {
        Socket { app, access, own, attached: HashMap::new(), cursors: SelectAll::new() }
    }

    /// Serves a client until one of the two has enough.
    pub(super) async fn serve(mut self, mut web: WebSocket, attach: Option<Attach>) {
        // Whoever is gone needs no answer.
        let _ = self.talk(&mut web, attach).await;
    }

    async fn talk(&mut self, web: &mut WebSocket, attach: Option<Attach>) -> Result<(), Gone> {
        if let Some(attach) = attach {
            let reply = self.attach(None, attach, None).await.unwrap_or_else(|error| refusal(None, &error));
            self.tell(web, reply).await?;
        }
        let every = self.app.options.heartbeat;
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.reset();
        let mut heard = Instant::now();
        let draining = self.app.draining.clone();
        loop {
            tokio::select! {
                () = draining.cancelled() => {
                    return self.close(web, close_code::AWAY, "The server is going away.").await;
                }
                message = web.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            let request = Request::read(&text);
                            self.reply(web, request).await?;
                        }
                        Some(Ok(Message::Binary(_))) => {
                            let detail = "A frame is a text; this one was binary.";
                            let error = ApiError::bad_request("invalid_frame", detail);
                            self.tell(web, refusal(None, &error)).await?;
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        // The answer to a close is written with the next look.
                        Some(Ok(Message::Close(_))) => {
                            let _ = timeout(CLOSING, web.recv()).await;
                            return Ok(());
                        }
                        Some(Err(_)) => return self.unread(web).await,
                        None => return Ok(()),
                    }
                }
                Some(found) = self.cursors.next(), if !self.cursors.is_empty() => self.found(web, found).await?,
                _ = beat.tick() => {
                    if heard.elapsed() > every * SILENT {
                        return Err(Gone);
                    }
                    self.write(web.send(Message::Ping(Vec::new().into()))).await?;
                }
            }
        }
    }

    /// What came is too large, or no message at all: what follows it cannot be told apart.
    async fn unread(&mut self, web: &mut WebSocket) -> Result<(), Gone> {
        let detail = "The last message could not be read: it is too large or no text. The socket is closed.";
        let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "frame_too_large", detail);
        self.tell(web, refusal(None, &error)).await?;
        self.close(web, close_code::SIZE, "The message could not be read.").await
    }

    async fn close(&mut self, web: &mut WebSocket, code: u16, reason: &'static str) -> Result<(), Gone> {
        self.write(web.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })))).await?;
        // Until the client has closed its side.
        let _ = timeout(CLOSING, async { while let Some(Ok(_)) = web.recv().await {} }).await;
        Ok(())
    }

    /// Waits for a write, as long as a client may take to read.
    async fn write(&mut self, write: impl Future<Output = Result<(), axum::Error>> + Send) -> Result<(), Gone> {
        match timeout(self.app.options.heartbeat * SILENT, write).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }

    async fn tell(&mut self, web: &mut WebSocket, text: String) -> Result<(), Gone> {
        self.write(web.send(Message::Text(text.into()))).await
    }

    /// Sends what a run's cursor found.
    async fn found(&mut self, web: &mut WebSocket, found: Found) -> Result<(), Gone> {
        let (run, items) = match found {
            Found::Items(run, items) => (run, items),
            Found::End(run) => {
                self.attached.remove(&run);
                let text = self.ended(&run).await;
                return self.tell(web, text).await;
            }
        };
        let Some(attached) = self.attached.get_mut(&run) else { return Ok(()) };
        let mut frames = Vec::new();
        items.iter().for_each(|item| attached.write(&run, item, self.access, &mut frames));
        let write = async {
            for text in frames {
                web.feed(Message::Text(text.into())).await?;
            }
            web.flush().await
        };
        self.write(write).await
    }

    async fn ended(&mut self, run: &RunId) -> String {
        match self.app.runs.find(run).await {
            Ok(view) if view.has_ended() => {
                let status = view.status.name();
                let run_json = RunJson::of(view, self.access);
                frame("ended", None, &json!({ "run_id": run.as_str(), "status": status, "run": run_json }))
            }
            Ok(_) => {
                let detail = "The run's stream cannot be read on. The run is not attached any more.";
                let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "stream_failed", detail);
                refusal(None, &error.of_run(run))
            }
            Err(error) => refusal(None, &error),
        }
    }

    async fn reply(&mut self, web: &mut WebSocket, request: Request) -> Result<(), Gone> {
        let id = request.id.as_ref();
        let reply = match (request.ask, request.trace) {
            (Ok(ask), None) => self.answer(ask, id).await,
            // Boxed: most frames come without.
            (Ok(ask), Some(trace)) => Box::pin(trace.scope(self.answer(ask, id))).await,
            (Err(error), _) => Err(error),
        };
        self.tell(web, reply.unwrap_or_else(|error| refusal(id, &error))).await
    }

    /// Does what a client asks for, and says so.
    async fn answer(&mut self, ask: Ask, id: Option<&Value>) -> Result<String, ApiError> {
        match ask {
            Ask::Ping => Ok(frame("pong", id, &json!({}))),
            Ask::Start(start) => self.start(*start, id).await,
            Ask::Attach(run, attach) => self.attach(run, attach, id).await,
            Ask::Detach(run) => {
                let run = self.named(run)?;
                let attached = self.attached.remove(&run).ok_or_else(|| {
                    ApiError::conflict("not_attached", format!("The socket is not attached to `{run}`.")).of_run(&run)
                })?;
                attached.cursor.abort();
                Ok(about("detached", id, &run))
            }
            Ask::Event { run, event, event_id, step } => {
                let run = self.to_change(run)?;
                let outside = Outside::new(event, event_id, step).map_err(|error| error.of_run(&run))?;
                self.app.runs.send_once(&run, outside.event, outside.step.as_deref(), outside.id).await?;
                Ok(about("sent", id, &run))
            }
            Ask::Answer { run, input, response, by } => {
                let run = self.to_change(run)?;
                let view = give(&self.app, &run, &input, response, by).await?;
                let input = InputJson::of(&self.app, view, self.access);
                Ok(frame("answered", id, &json!({ "run_id": run.as_str(), "input": input })))
            }
            Ask::Cancel(run) => {
                let run = self.to_change(run)?;
                self.app.runs.cancel(&run).await?;
                Ok(about("cancelled", id, &run))
            }
            Ask::Inputs(mut asked) => {
                asked.run_id = asked.run_id.or_else(|| self.own.as_ref().map(RunId::to_string));
                if let Some(run) = &asked.run_id {
                    self.app.runs.find(&RunId::from(run.as_str())).await?;
                }
                Ok(frame("inputs", id, &page_of(&self.app, self.access, asked, "pending").await?))
            }
        }
    }

    fn named(&self, run: Named) -> Result<RunId, ApiError> {
        run.or_else(|| self.own.clone())
            .ok_or_else(|| ApiError::bad_request("invalid_frame", "Say by `run_id` which run the frame is about."))
    }

    /// The run of a request that changes it.
    fn to_change(&self, run: Named) -> Result<RunId, ApiError> {
        let run = self.named(run)?;
        match self.access.may_change() {
            Ok(()) => Ok(run),
            Err(error) => Err(error.of_run(&run)),
        }
    }

    async fn start(&mut self, start: Start, id: Option<&Value>) -> Result<String, ApiError> {
        let Start { workflow, begin, attach } = start;
        self.access.may_change()?;
        if attach.is_some() {
            self.check_room().map_err(|error| error.of_any_run(begin.run_id.as_ref()))?;
        }
        let started = begin::start(&self.app, &workflow, begin).await?;
        let run = started.run_id();
        if let Some(attach) = attach {
            let shown = attach.modes.map(|modes| Shown::new(modes, self.access, attach.internal));
            let follow = match &shown {
                // A stored run may have ended meanwhile, and its store has no frames of the runtime's own.
                Some(shown) if shown.is_internal() => self.app.runs.follow_new(&started),
                _ => self.app.runs.follow(run, attach.after.start(false), attach.internal).await?,
            };
            self.keep(run, follow, attach.types, shown);
        }
        Ok(frame("started", id, &json!({ "run_id": run.as_str(), "workflow": workflow })))
    }

    async fn attach(&mut self, run: Named, attach: Attach, id: Option<&Value>) -> Result<String, ApiError> {
        let run = self.named(run)?;
        if self.attached.contains_key(&run) {
            let detail = format!("The socket is attached to `{run}` already; detach first to begin elsewhere.");
            return Err(ApiError::conflict("already_attached", detail).of_run(&run));
        }
        self.check_room().map_err(|error| error.of_run(&run))?;
        let view = self.app.runs.find(&run).await?;
        let mut shown = attach.modes.map(|modes| Shown::new(modes, self.access, attach.internal));
        let start = match &mut shown {
            Some(shown) if !view.has_ended() || attach.after != After::Now => {
                shown.begin(&self.app, &run, attach.after).await?
            }
            _ => attach.after.start(view.has_ended()),
        };
        let internal = shown.as_ref().map_or(attach.internal, Shown::is_internal);
        let follow = self.app.runs.follow(&run, start, internal).await?;
        self.keep(&run, follow, attach.types, shown);
        let run_json = RunJson::of(view, self.access);
        Ok(frame("attached", id, &json!({ "run_id": run.as_str(), "run": run_json })))
    }

    fn check_room(&self) -> Result<(), ApiError> {
        if self.attached.len() < MAX_ATTACHED {
            return Ok(());
        }
        let detail = format!("A socket is attached to at most {MAX_ATTACHED} runs; detach from one first.");
        Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attached", detail))
    }

    fn keep(&mut self, run: &RunId, follow: Follow, types: Vec<String>, shown: Option<Shown>) {
        let (cursor, registration) = AbortHandle::new_pair();
        self.cursors.push(Abortable::new(cursor_of(run.clone(), follow), registration));
        self.attached.insert(run.clone(), Attached { cursor, types: Types::of(types), shown });
    }
}

fn cursor_of(run: RunId, follow: Follow) -> BoxStream<'static, Found> {
    let next = |state: Option<(RunId, Follow)>| async {
        let (run, mut follow) = state?;
        let mut items = Vec::new();
        match follow.next_batch(&mut items, BATCH).await {
            0 => Some((Found::End(run), None)),
            _ => Some((Found::Items(run.clone(), items), Some((run, follow)))),
        }
    };
    stream::unfold(Some((run, follow)), next).boxed()
}
