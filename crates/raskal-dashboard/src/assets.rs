//! The page and what it needs, compiled into the program: nothing is fetched from elsewhere, nothing is built.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal: $kind:expr),+ $(,)?) => {
        [$(($name, $kind, include_str!(concat!("static/", $name)))),+]
    };
}

const FILES: &[(&str, &str, &str)] = &files! {
    "dashboard.css": CSS,
    "dashboard.js": JS,
    "charts.js": JS,
    "connection.js": JS,
    "errors.js": JS,
    "flame.js": JS,
    "format.js": JS,
    "graph.js": JS,
    "logs.js": JS,
    "overview.js": JS,
    "pages.js": JS,
    "parts.js": JS,
    "profile.js": JS,
    "progress.js": JS,
    "scheduler.js": JS,
    "stream.js": JS,
    "task.js": JS,
    "worker.js": JS,
    "workers.js": JS,
    "icon.svg": SVG,
};

/// `/status`.
pub(crate) async fn page() -> Response {
    file(HTML, include_str!("static/dashboard.html"))
}

/// `/static/{name}`: the same for everybody, so no token is asked.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => file(kind, text),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

fn file(kind: &'static str, text: &'static str) -> Response {
    // Revalidated each time: a page of one version must never run with the scripts of another.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
