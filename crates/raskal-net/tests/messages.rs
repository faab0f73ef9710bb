//! Messages on real connections: order, coalescing, limits, and how a connection ends.

mod common;

use bitcode::{Decode, Encode};
use common::*;
use raskal_net::{ConnectionOptions, Link, NetError, Receiver, Role, Sender, Written};

#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Message {
    Done { task: u32, size_bytes: u64 },
    Text(String),
    Bytes(Vec<u8>),
}

type Half = (Sender<Message>, Receiver<Message>);

async fn connected(options: ConnectionOptions) -> (Half, Half) {
    let (one, other) = within(pair(&credentials())).await;
    (one.into_connection(options.clone()), other.into_connection(options))
}

/// Bytes that the codec can't pack.
fn noise(len: usize) -> Message {
    Message::Bytes((0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect())
}

async fn receive_all(receiver: &mut Receiver<Message>, count: usize) -> Vec<Message> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(within(receiver.receive()).await.unwrap().expect("it closed early"));
    }
    all
}

/// What has been written in all. The peer may have read a frame before it is counted here, so the count waits for the end.
async fn written_at_the_end(sender: &Sender<Message>) -> Written {
    sender.close();
    within(sender.closed()).await;
    sender.written()
}

fn done(task: u32) -> Message {
    Message::Done { task, size_bytes: u64::from(task) * 3 }
}

#[tokio::test]
async fn messages_arrive_whole_and_in_order_both_ways() {
    let ((to_worker, mut from_worker), (to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    let sent = vec![done(1), Message::Text("α β".to_owned()), Message::Bytes(vec![0; 1000])];
    for message in &sent {
        to_worker.send(message.clone()).await.unwrap();
        to_scheduler.send(message.clone()).await.unwrap();
    }
    assert_eq!(receive_all(&mut from_scheduler, 3).await, sent);
    assert_eq!(receive_all(&mut from_worker, 3).await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tiny_messages_share_frames() {
    const COUNT: u32 = 100_000;
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    let sender = to_worker.clone();
    let sending = tokio::spawn(async move {
        for task in 0..COUNT {
            sender.send(done(task)).await.unwrap();
        }
    });
    let received = receive_all(&mut from_scheduler, COUNT as usize).await;
    sending.await.unwrap();
    assert!(received.iter().enumerate().all(|(task, message)| *message == done(task as u32)));
    let written = written_at_the_end(&to_worker).await;
    assert_eq!(written.messages, u64::from(COUNT));
    assert!(written.frames <= u64::from(COUNT) / 10, "{} frames", written.frames);
    assert!(written.bytes < u64::from(COUNT) * 16, "{} bytes", written.bytes);
}

#[tokio::test]
async fn a_lone_message_is_not_held_back() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    for task in 0..10 {
        to_worker.push([done(task)]).unwrap();
        assert_eq!(receive_all(&mut from_scheduler, 1).await, [done(task)]);
    }
    assert_eq!(written_at_the_end(&to_worker).await.frames, 10);
}

#[tokio::test]
async fn a_full_queue_makes_senders_wait_and_loses_nothing() {
    let options = ConnectionOptions { queue_len: 4, ..ConnectionOptions::default() };
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) = connected(options).await;
    // Far more than the queue and the sockets' buffers hold, and nobody reads yet.
    let sender = to_worker.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..400 {
            sender.send(Message::Bytes(vec![7; 100_000])).await.unwrap();
            assert!(sender.queued() <= 4);
        }
    });
    while to_worker.queued() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(!sending.is_finished());
    assert_eq!(receive_all(&mut from_scheduler, 400).await.len(), 400);
    sending.await.unwrap();
}

#[tokio::test]
async fn messages_too_large_together_travel_apart() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) = connected(frames_up_to(10_000)).await;
    to_worker.push((0..10).map(|_| noise(3000))).unwrap();
    assert!(receive_all(&mut from_scheduler, 10).await == vec![noise(3000); 10]);
    assert!(written_at_the_end(&to_worker).await.frames >= 4);
}

#[tokio::test]
async fn a_large_message_over_the_limit_is_told_and_the_connection_lives() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) = connected(frames_up_to(10_000)).await;
    to_worker.send(done(1)).await.unwrap();
    let error = to_worker.send_large(noise(20_000)).await.unwrap_err();
    assert!(matches!(error, NetError::TooLarge { size_bytes: 20_000.., limit_bytes: 10_000, .. }), "{error}");
    to_worker.send_large(noise(9_000)).await.unwrap();
    to_worker.send(done(2)).await.unwrap();
    assert!(receive_all(&mut from_scheduler, 3).await == [done(1), noise(9_000), done(2)]);
}

#[tokio::test]
async fn a_small_message_over_the_limit_ends_its_connection_with_the_reason() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) = connected(frames_up_to(10_000)).await;
    to_worker.send(noise(20_000)).await.unwrap();
    let error = within(to_worker.closed()).await;
    assert!(error.to_string().contains("is over the limit of 10000 bytes"), "{error}");
    assert_eq!(within(from_scheduler.receive()).await, Ok(None));
}

#[tokio::test]
async fn closing_writes_what_waits_and_ends_both_sides() {
    let ((to_worker, mut from_worker), (to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    to_worker.push((0..1000).map(done)).unwrap();
    to_worker.close();
    assert_eq!(receive_all(&mut from_scheduler, 1000).await.len(), 1000);
    assert_eq!(within(from_scheduler.receive()).await, Ok(None));
    assert!(matches!(within(to_scheduler.closed()).await, NetError::Closed { .. }));
    assert!(matches!(within(to_worker.closed()).await, NetError::Closed { .. }));
    assert!(matches!(to_worker.send(done(1)).await, Err(NetError::Closed { .. })));
    assert!(matches!(to_scheduler.push([done(1)]), Err(NetError::Closed { .. })));
    drop(to_scheduler);
    assert_eq!(within(from_worker.receive()).await, Ok(None));
}

#[tokio::test]
async fn dropping_the_last_sender_closes_the_connection() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    let another = to_worker.clone();
    drop(to_worker);
    another.send(done(5)).await.unwrap();
    drop(another);
    assert_eq!(receive_all(&mut from_scheduler, 1).await, [done(5)]);
    assert_eq!(within(from_scheduler.receive()).await, Ok(None));
}

#[tokio::test]
async fn a_lost_peer_wakes_everybody_who_waits() {
    let credentials = credentials();
    let mut listener = listen(&credentials).await;
    let address = listener.address().clone();
    // A peer that introduces itself through a relay which then vanishes without a good-bye.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay_address = address.at("127.0.0.1", relay.local_addr().unwrap().port());
    let (cut, cut_here) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut one, _) = relay.accept().await.unwrap();
        let mut other = raw(&address).await;
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut one, &mut other) => {}
            _ = cut_here => {}
        }
    });
    let (theirs, ours) = within(async {
        tokio::join!(listener.next(), raskal_net::connect(&relay_address, &credentials, Role::Worker, PATIENCE))
    })
    .await;
    let options = ConnectionOptions { queue_len: 1, ..ConnectionOptions::default() };
    let (sender, mut receiver): Half = ours.unwrap().into_connection(options);
    let _unread: Link = theirs.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..8 {
        let sender = sender.clone();
        waiting.push(tokio::spawn(async move {
            loop {
                if let Err(error) = sender.send(Message::Bytes(vec![1; 1 << 20])).await {
                    return error;
                }
            }
        }));
    }
    let closed = sender.clone();
    waiting.push(tokio::spawn(async move { closed.closed().await }));
    waiting.push(tokio::spawn(async move { receiver.receive().await.unwrap_err() }));
    while sender.queued() == 0 {
        tokio::task::yield_now().await;
    }
    cut.send(()).unwrap();
    for waiter in waiting {
        let error = within(waiter).await.unwrap();
        assert!(matches!(error, NetError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("the scheduler at tls://127.0.0.1"), "{error}");
    }
}

/// The two ends of a link with different limits, or different ideas of a message.
async fn mismatched<M: Encode + Send + 'static>(frame_bytes_max: usize) -> (Half, Sender<M>, Receiver<Message>) {
    let (one, other) = within(pair(&credentials())).await;
    let (sender, receiver) = other.into_connection(ConnectionOptions::default());
    (one.into_connection(frames_up_to(frame_bytes_max)), sender, receiver)
}

#[tokio::test]
async fn an_oversized_frame_closes_that_connection_and_names_the_peer() {
    let ((to_peer, mut from_peer), peer, mut at_peer) = mismatched::<Message>(10_000).await;
    peer.send(done(1)).await.unwrap();
    assert_eq!(receive_all(&mut from_peer, 1).await, [done(1)]);
    peer.send(noise(20_000)).await.unwrap();
    let error = within(from_peer.receive()).await.unwrap_err();
    assert!(matches!(error, NetError::Malformed { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("the worker at 127.0.0.1") && text.contains("and the limit is 10000"), "{text}");
    assert_eq!(to_peer.send(done(1)).await.unwrap_err(), error);
    within(at_peer.receive()).await.expect("the peer sees an orderly end");
}

#[tokio::test]
async fn bytes_that_are_no_messages_close_that_connection() {
    let ((to_peer, mut from_peer), peer, _at_peer) = mismatched::<(u64, String)>(1 << 20).await;
    peer.send((u64::MAX, "not one of our messages".to_owned())).await.unwrap();
    let error = within(from_peer.receive()).await.unwrap_err();
    assert!(error.to_string().contains("bytes that are not messages"), "{error}");
    assert_eq!(within(to_peer.closed()).await, error);
}

#[tokio::test]
async fn a_frame_is_received_whole_however_often_receiving_is_cancelled() {
    let ((to_worker, _from_worker), (_to_scheduler, mut from_scheduler)) =
        connected(ConnectionOptions::default()).await;
    to_worker.send(noise(2_000_000)).await.unwrap();
    let mut cancelled = 0;
    let received = within(async {
        loop {
            tokio::select! {
                biased;
                received = from_scheduler.receive() => return received,
                () = tokio::task::yield_now() => cancelled += 1,
            }
        }
    })
    .await;
    assert!(received == Ok(Some(vec![noise(2_000_000)])));
    assert!(cancelled > 0);
}
