//! Addresses and what answers them. Start at [`router`].
//!
//! Every address in an answer is relative, so that the dashboard works under a proxy's prefix.

use crate::access::{Access, guard};
use crate::feed::{Feed, Tick};
use crate::model::Source;
use crate::view::{View, ViewError};
use crate::{assets, metrics, websocket};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What a page may load and run: only what this server sends. Nothing inline, so a hostile key has nowhere to run.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// How long answers under way may take once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The dashboard of `source`, for those whom `access` lets look.
pub fn router(source: Arc<dyn Source>, access: Access) -> Router {
    let guarded = Router::new()
        .route("/", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "status")]) }))
        .route("/status", get(assets::page))
        .route("/api/snapshot", get(snapshot))
        .route("/api/workers", get(workers))
        .route("/api/tasks", get(tasks))
        .route("/api/graphs", get(graphs))
        .route("/api/{view}", get(view))
        .route("/metrics", get(metrics))
        .route("/ws", get(websocket::websocket))
        .route_layer(middleware::from_fn_with_state(access, guard))
        .with_state(Feed::new(source));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/static/{name}", get(assets::asset))
        .merge(guarded)
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page\nhint: the dashboard is at /status\n") })
        .layer(middleware::from_fn(security_headers))
}

/// Answers on `listener` until `shutdown` is done; then closes the websockets and returns.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (close, closed) = watch::channel(false);
    let mut closing = Closing(Some(closed));
    let router = router.layer(Extension(closing.clone()));
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        close.send_replace(true);
    });
    tokio::select! {
        result = server.into_future() => result,
        () = async { closing.wait().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => Ok(()),
    }
}

/// Tells websockets, which the server does not wait for, that it stops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closing(Option<watch::Receiver<bool>>);

impl Closing {
    /// Done when the server stops.
    pub(crate) async fn wait(&mut self) {
        match &mut self.0 {
            // An error means that the server is gone altogether.
            Some(closed) => drop(closed.wait_for(|closed| *closed).await),
            None => std::future::pending().await,
        }
    }
}

async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The source panicked; the next request asks it again.
struct SourceFailed;

impl IntoResponse for SourceFailed {
    fn into_response(self) -> Response {
        let text = "the scheduler could not describe itself; this is a defect of raskal, its log has more\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn tick(feed: &Feed) -> Result<Arc<Tick>, SourceFailed> {
    feed.latest().await.ok_or(SourceFailed)
}

async fn snapshot(State(feed): State<Arc<Feed>>) -> Result<impl IntoResponse, SourceFailed> {
    let json = tick(&feed).await?.json(None);
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json.to_string()))
}

async fn workers(State(feed): State<Arc<Feed>>) -> Result<impl IntoResponse, SourceFailed> {
    let tick = tick(&feed).await?;
    Ok(Json(json!({ "time_us": tick.snapshot.time_us, "workers": tick.snapshot.workers })))
}

async fn graphs(State(feed): State<Arc<Feed>>) -> Result<impl IntoResponse, SourceFailed> {
    let tick = tick(&feed).await?;
    Ok(Json(json!({ "time_us": tick.snapshot.time_us, "graphs": tick.snapshot.graphs })))
}

/// `?since=`: only events and errors with a greater sequence number.
#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

async fn tasks(
    State(feed): State<Arc<Feed>>,
    Query(Since { since }): Query<Since>,
) -> Result<impl IntoResponse, SourceFailed> {
    let tick = tick(&feed).await?;
    let snapshot = &tick.snapshot;
    let events: Vec<_> = snapshot.events.iter().filter(|event| Some(event.sequence) > since).collect();
    let errors: Vec<_> = snapshot.errors.iter().filter(|error| Some(error.sequence) > since).collect();
    let counts = snapshot.counts();
    Ok(Json(json!({ "time_us": snapshot.time_us, "counts": counts, "events": events, "errors": errors })))
}

/// What is asked beside snapshots; the address is a [`View`]'s.
async fn view(State(feed): State<Arc<Feed>>, uri: Uri) -> Response {
    let address = uri.path_and_query().map_or("", |whole| whole.as_str()).trim_start_matches("/api/");
    let view = match View::parse(address) {
        Ok(view) => view,
        Err(error @ ViewError::Unknown(_)) => return (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    match feed.view(view).await {
        Ok(Some(json)) => {
            ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], json).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "the cluster does not know it, or not any more\n").into_response(),
        Err(()) => SourceFailed.into_response(),
    }
}

async fn metrics(State(feed): State<Arc<Feed>>) -> Result<impl IntoResponse, SourceFailed> {
    let text = metrics::encode(&tick(&feed).await?.snapshot);
    Ok(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}
