//! `GET /v1/stream`: server-sent events of every attempt and status change. A reader that falls behind is dropped, a
//! stream ends with the server and with its token.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web::Data,
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc::Receiver,
    time::{Interval, MissedTickBehavior},
};
use utoipa::{IntoParams, ToSchema};

use super::{attempts::AttemptResource, deliveries::DeliveryResource};
use crate::{
    actors::live::{LiveFilter, LiveItem},
    domain::ids::EventId,
    http::{
        Api, answer,
        auth::{Caller, CanRead},
        extract::Query,
        problem::{Kind, Problem},
        text::{
            AccountText, DeliveryIdText, DeliveryStatusText, EndpointIdText, EventIdText, EventTypeText, Text, TimeText,
        },
    },
};

/// A comment goes out this often, so that both sides notice when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// About so many bytes go out together.
const PIECE: usize = 32 << 10;

/// Which items are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Of this account.
    account: Option<AccountText>,
    /// Of this endpoint.
    endpoint_id: Option<EndpointIdText>,
    /// Of this event.
    event_id: Option<EventIdText>,
    /// Of this type.
    r#type: Option<EventTypeText>,
    /// Whose delivery is now in this state.
    status: Option<DeliveryStatusText>,
}

/// The data of one server-sent event: `attempt` for an attempt, `delivery` for a change of status.
#[derive(Serialize, ToSchema)]
pub struct StreamItem {
    /// When it was written down.
    at: TimeText,
    delivery_id: DeliveryIdText,
    /// The delivery as it is now.
    #[serde(flatten)]
    delivery: DeliveryResource,
    /// The status before a change; null for a new delivery, and of `attempt`.
    #[schema(required)]
    previous_status: Option<DeliveryStatusText>,
    /// The attempt; null of `delivery`.
    #[schema(required)]
    attempt: Option<AttemptResource>,
}

/// Follow what happens
///
/// Server-sent events: `attempt` for every attempt, `delivery` for every change of status, each with a JSON object as its
/// data. A reader that does not keep up is dropped; what it missed is in the list of deliveries.
#[utoipa::path(get, path = "/v1/stream", tag = "stream", operation_id = "stream", params(StreamQuery),
    responses((status = 200, description = "An endless stream of events.", content_type = "text/event-stream", body = StreamItem)))]
pub async fn stream(
    caller: Caller<CanRead>,
    query: Query<StreamQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let token = Arc::clone(caller.token());
    let still_holds = {
        let api = api.clone();
        move || api.still_holds(&token)
    };
    let write = {
        let api = api.clone();
        move |item: &LiveItem| Some(chunk(&api, item))
    };
    let stream = open(&api, &caller, query.0, Reading { still_holds, write })?;
    Ok(answering(answer::builder(StatusCode::OK), stream))
}

/// What a reader of the stream is told, and for how long.
pub struct Reading<H, W> {
    /// Whether its rights still hold.
    pub still_holds: H,
    /// What it is sent of an item, if anything.
    pub write: W,
}

/// An endless answer.
pub fn answering(
    mut builder: HttpResponseBuilder,
    stream: impl Stream<Item = Result<Bytes, Infallible>> + 'static,
) -> HttpResponse {
    builder
        .content_type("text/event-stream")
        // For proxies that gather answers before they pass them on.
        .insert_header((header::HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(stream)
}

/// Follows the items that are asked for.
///
/// # Errors
/// The account is another's, or too many are reading.
pub fn open<R>(
    api: &Data<Api>,
    caller: &Caller<R>,
    query: StreamQuery,
    reading: Reading<impl Fn() -> bool + 'static, impl Fn(&LiveItem) -> Option<Bytes> + 'static>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + 'static, Problem> {
    let filter = LiveFilter {
        account: caller.account_filter(query.account.map(|Text(account)| account))?,
        endpoint: query.endpoint_id.map(|Text(id)| id),
        event_type: query.r#type.map(|Text(name)| name),
        status: query.status.map(|Text(status)| status),
    };
    let items = api.live().subscribe(filter);
    let items = items.ok_or_else(|| Problem::new(Kind::Unavailable, "as many streams are open as are allowed"))?;
    Ok(chunks(Reader {
        stopping: Box::pin(api.lifecycle().stopping()),
        keep_alive: keep_alive(),
        event: query.event_id.map(|Text(id)| id),
        greeted: false,
        items,
        reading,
    }))
}

struct Reader<H, W> {
    items: Receiver<LiveItem>,
    stopping: std::pin::Pin<Box<dyn Future<Output = ()>>>,
    keep_alive: Interval,
    event: Option<EventId>,
    greeted: bool,
    reading: Reading<H, W>,
}

fn keep_alive() -> Interval {
    let mut interval = tokio::time::interval(KEEP_ALIVE);
    // Not at once, but after the first period.
    interval.reset();
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn chunks<H: Fn() -> bool, W: Fn(&LiveItem) -> Option<Bytes>>(
    reader: Reader<H, W>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok(chunk), reader))
    })
}

impl<H: Fn() -> bool, W: Fn(&LiveItem) -> Option<Bytes>> Reader<H, W> {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            // At once, so that the reader knows that it is connected; and how long to wait before it comes again.
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        loop {
            let item = {
                let item = pin!(self.items.recv());
                let tick = pin!(self.keep_alive.tick());
                tokio::select! {
                    biased;
                    () = &mut self.stopping => return None,
                    item = item => Some(item?),
                    _ = tick => None,
                }
            };
            let told = match item {
                None => Some(Bytes::from_static(b": here\n\n")),
                Some(item) => self.tell(&item).map(|first| self.with_more(first)),
            };
            if told.is_some() {
                return told.filter(|_| (self.reading.still_holds)());
            }
        }
    }

    /// What waits already goes out together: piece by piece a reader would fall behind for no fault of its own.
    fn with_more(&mut self, first: Bytes) -> Bytes {
        let mut told = BytesMut::from(first);
        while told.len() < PIECE
            && let Ok(item) = self.items.try_recv()
        {
            told.extend_from_slice(&self.tell(&item).unwrap_or_default());
        }
        told.freeze()
    }

    fn tell(&self, item: &LiveItem) -> Option<Bytes> {
        self.wants(item).then(|| (self.reading.write)(item)).flatten()
    }

    fn wants(&self, item: &LiveItem) -> bool {
        let (LiveItem::Attempt { delivery, .. } | LiveItem::Status { delivery, .. }) = item;
        self.event.as_ref().is_none_or(|event| *event == delivery.event_id)
    }
}

fn chunk(api: &Api, item: &LiveItem) -> Bytes {
    let at = Text(api.clock().wall());
    let (name, item) = match item {
        LiveItem::Attempt { delivery, attempt } => (
            "attempt",
            StreamItem {
                at,
                delivery_id: Text(delivery.id),
                delivery: DeliveryResource::of(delivery, api.clock()),
                previous_status: None,
                attempt: Some((&**attempt).into()),
            },
        ),
        LiveItem::Status { delivery, before } => (
            "delivery",
            StreamItem {
                at,
                delivery_id: Text(delivery.id),
                delivery: DeliveryResource::of(delivery, api.clock()),
                previous_status: before.map(Text),
                attempt: None,
            },
        ),
    };
    event(name, &item)
}

/// One server-sent event.
pub fn event(name: &str, data: &impl Serialize) -> Bytes {
    let mut chunk = format!("event: {name}\ndata: ").into_bytes();
    // JSON text has no line breaks of its own.
    chunk.extend_from_slice(&answer::to_json(data));
    chunk.extend_from_slice(b"\n\n");
    chunk.into()
}
