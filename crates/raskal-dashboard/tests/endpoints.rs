//! What each address answers, to whom, and with which headers.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use raskal_dashboard::view::{LogLine, Logs};
use raskal_dashboard::{Access, Graph, Layer, Snapshot, Source, TaskEvent, View, ViewData, Worker, router};
use std::sync::Arc;
use tower::ServiceExt;

const HOSTILE: &str = "</script><script>alert(1)</script>\"\n\\";

struct Fixed;

impl Source for Fixed {
    fn snapshot(&self) -> Snapshot {
        let worker = Worker { id: 7, name: HOSTILE.into(), threads: 4, ..Worker::default() };
        let mut layer = Layer { prefix: HOSTILE.into(), ..Layer::default() };
        (layer.counts.total, layer.counts.done, layer.counts.running) = (10, 8, 2);
        let event = |sequence| TaskEvent { sequence, key: HOSTILE.into(), worker: 7, ok: true, ..TaskEvent::default() };
        Snapshot {
            time_us: 2_000_000,
            workers: vec![worker],
            graphs: vec![Graph { layers: vec![layer], ..Graph::default() }],
            events: vec![event(1), event(2), event(3)],
            ..Snapshot::default()
        }
    }

    fn view(&self, view: &View) -> Option<ViewData> {
        let View::Logs(query) = view else { return None };
        let line = LogLine { source: query.source.clone().unwrap_or_default(), ..LogLine::default() };
        Some(ViewData::Logs(Logs { lines: vec![line] }))
    }
}

struct Panics;

impl Source for Panics {
    fn snapshot(&self) -> Snapshot {
        panic!("the scheduler is in a bad way")
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(app: axum::Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn open() -> axum::Router {
    router(Arc::new(Fixed), Access::for_listener("127.0.0.1:8787".parse().unwrap(), None).unwrap())
}

fn locked() -> axum::Router {
    router(Arc::new(Fixed), Access::for_listener("0.0.0.0:8787".parse().unwrap(), Some("s3cret;")).unwrap())
}

const GUARDED: [&str; 8] = [
    "/",
    "/status",
    "/api/snapshot",
    "/api/workers",
    "/api/tasks",
    "/api/graphs",
    "/api/logs?source=scheduler",
    "/metrics",
];

#[tokio::test]
async fn views_answer_with_json_and_mistakes_with_what_to_ask_instead() {
    let logs = ask(open(), "/api/logs?source=node%201", &[]).await;
    assert_eq!(logs.header(header::CONTENT_TYPE), "application/json");
    assert_eq!(logs.json()["lines"][0]["source"], "node 1");
    let unknown = ask(open(), "/api/streams", &[]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(unknown.body.contains("the views are snapshot, progress"), "{}", unknown.body);
    let wrong = ask(open(), "/api/stream?count=many", &[]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains("count"), "{}", wrong.body);
    assert_eq!(ask(open(), "/api/graph?id=4", &[]).await.status, StatusCode::NOT_FOUND, "it is not there");
}

#[tokio::test]
async fn every_address_answers_with_its_kind_and_a_strict_policy() {
    let kinds = [
        ("/status", "text/html"),
        ("/api/snapshot", "application/json"),
        ("/api/workers", "application/json"),
        ("/api/tasks", "application/json"),
        ("/api/graphs", "application/json"),
        ("/metrics", "application/openmetrics-text"),
        ("/health", "text/plain"),
        ("/static/dashboard.css", "text/css"),
        ("/static/dashboard.js", "text/javascript"),
        ("/static/icon.svg", "image/svg+xml"),
    ];
    for (path, kind) in kinds {
        let answer = ask(open(), path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header(header::CONTENT_TYPE).starts_with(kind), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn the_root_leads_to_the_page_by_a_relative_address() {
    let answer = ask(open(), "/", &[]).await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::FOUND, "status"));
}

#[tokio::test]
async fn unknown_addresses_and_files_are_not_found() {
    for path in ["/nothing", "/static/nothing.js", "/static/..%2Flib.rs", "/api"] {
        assert_eq!(ask(open(), path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_page_names_nothing_absolute_or_external_and_runs_nothing_inline() {
    let page = ask(open(), "/status", &[]).await.body;
    let addresses: Vec<_> = page.split(['"', '\'']).filter(|part| part.starts_with("static/")).collect();
    assert!(addresses.len() >= 3, "{addresses:?}");
    for forbidden in ["href=\"/", "src=\"/", "http:", "https:", "<script>", " style=", " onclick"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for address in addresses {
        assert_eq!(ask(open(), &format!("/{address}"), &[]).await.status, StatusCode::OK, "{address}");
    }
}

#[tokio::test]
async fn hostile_names_survive_json_unchanged_and_are_never_html() {
    let snapshot: Snapshot = serde_json::from_str(&ask(open(), "/api/snapshot", &[]).await.body).unwrap();
    assert_eq!(snapshot, Fixed.snapshot());
    assert_eq!(ask(open(), "/api/workers", &[]).await.json()["workers"][0]["name"], HOSTILE);
    assert_eq!(ask(open(), "/api/graphs", &[]).await.json()["graphs"][0]["layers"][0]["prefix"], HOSTILE);
    assert!(!ask(open(), "/status", &[]).await.body.contains("alert(1)"));
}

#[tokio::test]
async fn tasks_since_a_sequence_number_are_only_the_newer_ones() {
    let count = |answer: &Answer| answer.json()["events"].as_array().unwrap().len();
    assert_eq!(count(&ask(open(), "/api/tasks", &[]).await), 3);
    assert_eq!(count(&ask(open(), "/api/tasks?since=1", &[]).await), 2);
    assert_eq!(count(&ask(open(), "/api/tasks?since=3", &[]).await), 0);
    assert_eq!(ask(open(), "/api/tasks?since=yesterday", &[]).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn off_loopback_nothing_but_health_and_files_is_shown_without_the_token() {
    let host = ("host", "127.0.0.1:8787"); // what the client claims must not matter
    for path in GUARDED.into_iter().chain(["/ws"]) {
        for headers in
            [&[host][..], &[host, ("authorization", "Bearer s3cret")], &[host, ("cookie", "raskal-dashboard-8787=x")]]
        {
            let answer = ask(locked(), path, headers).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {headers:?}");
            assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"), "{path}");
        }
    }
    assert_eq!(ask(locked(), "/status?token=wrong", &[]).await.status, StatusCode::UNAUTHORIZED);
    for path in ["/health", "/static/dashboard.css"] {
        assert_eq!(ask(locked(), path, &[]).await.status, StatusCode::OK, "{path}");
    }
    let page = ask(locked(), "/status", &[("accept", "text/html")]).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.body.contains("<form") && page.header(header::CONTENT_TYPE).starts_with("text/html"));
}

#[tokio::test]
async fn the_token_opens_by_header_by_query_and_then_by_cookie() {
    for path in GUARDED {
        let answer = ask(locked(), path, &[("authorization", "Bearer s3cret;")]).await;
        assert!(answer.status.is_success() || answer.status == StatusCode::FOUND, "{path}");
    }
    assert_eq!(ask(locked(), "/api/workers?token=s3cret%3B", &[]).await.status, StatusCode::OK);

    let page = ask(locked(), "/status?token=s3cret%3B", &[("accept", "text/html")]).await;
    assert_eq!((page.status, page.header(header::LOCATION)), (StatusCode::SEE_OTHER, "status"));
    let cookie = page.header(header::SET_COOKIE);
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("s3cret"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(locked(), "/status", &[("cookie", cookie)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn on_loopback_a_foreign_host_name_is_refused() {
    assert_eq!(ask(open(), "/api/snapshot", &[("host", "localhost:8787")]).await.status, StatusCode::OK);
    assert_eq!(ask(open(), "/api/snapshot", &[("host", "evil.example")]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn metrics_follow_the_text_format_and_escape_labels() {
    let text = ask(open(), "/metrics", &[]).await.body;
    assert!(text.ends_with("# EOF\n"));
    let (mut helps, mut samples) = (0, 0);
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(comment) => helps += usize::from(comment.starts_with("HELP raskal_")),
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                assert!(name.starts_with("raskal_"), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                samples += 1;
            }
        }
    }
    assert!(helps >= 15 && samples > helps, "{helps} {samples}");
    assert!(text.contains("raskal_tasks{state=\"running\"} 2"), "{text}");
    assert!(text.contains("raskal_tasks_finished_total{outcome=\"ok\"} 0"), "{text}");
    let worker = format!("raskal_worker_threads{{worker=\"{}\",worker_id=\"7\"}} 4", escaped(HOSTILE));
    assert!(text.contains(&worker), "{text}");
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[tokio::test]
async fn a_source_that_panics_is_an_error_of_its_request_only() {
    let app = router(Arc::new(Panics), Access::for_listener("127.0.0.1:1".parse().unwrap(), None).unwrap());
    for path in ["/api/snapshot", "/metrics"] {
        assert_eq!(ask(app.clone(), path, &[]).await.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
    }
    assert_eq!(ask(app, "/status", &[]).await.status, StatusCode::OK);
}
