//! The websocket over a real socket: what arrives, who is refused, and what happens when the server stops.

use futures::{SinkExt, StreamExt};
use raskal_dashboard::{Access, Snapshot, Source, TaskEvent, router, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Each snapshot has one event more.
#[derive(Default)]
struct Growing(AtomicU64);

impl Source for Growing {
    fn snapshot(&self) -> Snapshot {
        let count = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let events = (0..count).map(|sequence| TaskEvent { sequence, ..TaskEvent::default() }).collect();
        Snapshot { time_us: count, events, ..Snapshot::default() }
    }
}

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(Arc::new(Growing::default()), Access::for_listener(address, Some("secret")).unwrap());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, app, async { drop(stopped.await) }));
    Server { address, stop, task }
}

async fn connect(
    address: SocketAddr,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
    let mut request = format!("ws://{address}/ws").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await?;
    Ok(client_async(request, stream).await?.0)
}

async fn receive(socket: &mut WebSocketStream<TcpStream>) -> Snapshot {
    let message = socket.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

fn sequences(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.events.iter().map(|event| event.sequence).collect()
}

#[tokio::test]
async fn the_first_message_is_whole_and_the_next_ones_hold_what_is_new() {
    let server = start().await;
    let mut first = connect(server.address, &[]).await.unwrap();
    assert_eq!(sequences(&receive(&mut first).await), [0]);
    assert_eq!(sequences(&receive(&mut first).await), [1]);
    let mut second = connect(server.address, &[]).await.unwrap();
    let seen = receive(&mut second).await;
    assert_eq!(seen.events.len() as u64, seen.time_us, "a newcomer gets everything");
    let (ours, theirs) = (receive(&mut second).await, receive(&mut first).await);
    assert!(ours.time_us > seen.time_us && theirs.events.len() == 1);
}

#[tokio::test]
async fn the_websockets_close_when_the_server_stops() {
    let server = start().await;
    let mut socket = connect(server.address, &[]).await.unwrap();
    receive(&mut socket).await;
    server.stop.send(()).unwrap();
    let mut closed = false;
    while let Some(Ok(message)) = socket.next().await {
        closed |= matches!(message, Message::Close(_));
    }
    assert!(closed);
    server.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_page_of_another_site_and_a_foreign_host_name_are_refused() {
    let server = start().await;
    let refused = |result: Result<_, tungstenite::Error>| match result {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok::<WebSocketStream<TcpStream>, _>(_) => 200,
    };
    let foreign_page = connect(server.address, &[("origin", "https://evil.example")]).await;
    assert_eq!(refused(foreign_page), 403);
    let foreign_name = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(refused(connect(server.address, &foreign_name).await), 401);
    let with_token = [("host", "hub.example"), ("origin", "https://hub.example"), ("authorization", "Bearer secret")];
    assert_eq!(refused(connect(server.address, &with_token).await), 200);
}

#[tokio::test]
async fn a_browser_that_sends_too_much_is_cut_off() {
    let server = start().await;
    let mut socket = connect(server.address, &[]).await.unwrap();
    receive(&mut socket).await;
    socket.send(Message::text("x".repeat(100_000))).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    let mut another = connect(server.address, &[]).await.unwrap();
    assert!(!receive(&mut another).await.events.is_empty());
}
