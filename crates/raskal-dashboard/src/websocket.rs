//! `/ws`: sends a tick of the feed to a browser whenever there is a new one.
//!
//! Invariant: a slow browser misses ticks and holds back nobody.

use crate::access::from_another_site;
use crate::feed::Feed;
use crate::server::Closing;
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;

/// A browser that takes nothing for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn websocket(
    State(feed): State<Arc<Feed>>,
    closing: Option<Extension<Closing>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if from_another_site(&headers) {
        return (StatusCode::FORBIDDEN, "a page of another site can't open this websocket\n").into_response();
    }
    let closing = closing.map(|Extension(closing)| closing).unwrap_or_default();
    // Browsers have nothing to say here: more than a ping is refused.
    upgrade.max_message_size(4096).on_upgrade(|socket| send_ticks(socket, feed, closing))
}

async fn send_ticks(mut socket: WebSocket, feed: Arc<Feed>, mut closing: Closing) {
    let mut ticks = feed.subscribe();
    let mut last = None;
    loop {
        tokio::select! {
            changed = ticks.changed() => {
                let tick = ticks.borrow_and_update().clone();
                let (Ok(()), Some(tick)) = (changed, tick) else { return };
                let message = Message::Text(tick.json(last));
                last = Some(tick.number());
                match tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            received = socket.recv() => {
                if !matches!(received, Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_) | Message::Binary(_)))) {
                    return;
                }
            }
            () = closing.wait() => {
                let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Close(None))).await;
                return;
            }
        }
    }
}
