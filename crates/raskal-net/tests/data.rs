//! Requests answered with large buffers, over TLS on loopback.

mod common;

use bytes::Bytes;
use common::*;
use raskal_net::data::{Credits, DataClient, DataOptions, Parcel, serve};
use raskal_net::{Link, NetError};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};

async fn client_and_server<H, F>(
    options: DataOptions,
    handler: H,
) -> (DataClient<u64>, tokio::task::JoinHandle<Result<(), NetError>>)
where
    H: Fn(u64, Vec<Bytes>) -> F + Send + 'static,
    F: Future<Output = Result<Parcel, String>> + Send + 'static,
{
    let (listening, connecting): (Link, Link) = within(pair(&credentials())).await;
    let server = tokio::spawn(serve(listening, options.clone(), handler));
    (DataClient::new(connecting, options), server)
}

fn pattern(len: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_arrive_equal() {
    let large = pattern(50 << 20, 3);
    let buffers = vec![large, Bytes::new(), pattern(1, 5), pattern(70_001, 7)];
    let answer = Parcel { head: "dtype f64".into(), buffers };
    let copy = answer.clone();
    let (client, _server) = client_and_server(DataOptions::default(), move |request, _| {
        let answer = copy.clone();
        async move { if request == 9 { Ok(answer) } else { Err(format!("no value {request}")) } }
    })
    .await;
    let received = within(client.request(&9, Vec::new(), answer.size_bytes() as u64)).await.unwrap();
    assert!(received == answer, "the buffers differ");
}

#[tokio::test]
async fn a_request_brings_buffers_of_its_own() {
    let (client, _server) = client_and_server(DataOptions::default(), |request, buffers| async move {
        let total = buffers.iter().map(Bytes::len).sum::<usize>() as u64;
        Ok(Parcel { head: (total + request).to_string().into(), buffers: buffers.into_iter().rev().collect() })
    })
    .await;
    let sent = vec![pattern(300_000, 1), pattern(10, 2)];
    let answer = within(client.request(&1, sent.clone(), 0)).await.unwrap();
    assert_eq!(answer.head, "300011");
    assert!(answer.buffers == [sent[1].clone(), sent[0].clone()]);
}

#[tokio::test]
async fn many_small_buffers_arrive_in_order() {
    let (client, _server) = client_and_server(DataOptions::default(), |count, _| async move {
        let buffers = (0..count).map(|i| Bytes::copy_from_slice(&i.to_le_bytes())).collect();
        Ok(Parcel { head: Bytes::new(), buffers })
    })
    .await;
    let answer = within(client.request(&20_000, Vec::new(), 0)).await.unwrap();
    assert_eq!(answer.buffers.len(), 20_000);
    assert!(answer.buffers.iter().enumerate().all(|(i, buffer)| buffer[..] == (i as u64).to_le_bytes()));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_any_order() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let (client, _server) = client_and_server(DataOptions::default(), move |request, _| {
        let gate = gate.clone();
        async move {
            match request {
                0 => gate.notified().await,
                99 => gate.notify_one(),
                _ => {}
            }
            Ok(Parcel { head: request.to_string().into(), buffers: Vec::new() })
        }
    })
    .await;
    // The first is only answered once the last has been: they must be under way together.
    let answers = within(futures::future::join_all((0..100).map(|request| {
        let client = client.clone();
        async move { client.request(&request, Vec::new(), 10).await.unwrap().head }
    })))
    .await;
    assert!(answers.iter().enumerate().all(|(request, head)| *head == request.to_string()));
    drop(opened);
}

#[tokio::test]
async fn a_refusal_and_a_panic_reach_the_one_who_asked_only() {
    let (client, _server) = client_and_server(DataOptions::default(), |request, _| async move {
        match request {
            1 => Err("value 1 was released".to_owned()),
            2 => panic!("a test of what a panic does"),
            _ => Ok(Parcel::default()),
        }
    })
    .await;
    let refused = within(client.request(&1, Vec::new(), 0)).await.unwrap_err();
    assert!(matches!(refused, NetError::Refused { .. }));
    assert!(refused.to_string().ends_with("answered: value 1 was released"), "{refused}");
    let panicked = within(client.request(&2, Vec::new(), 0)).await.unwrap_err();
    assert!(panicked.to_string().contains("panicked"), "{panicked}");
    within(client.request(&3, Vec::new(), 0)).await.unwrap();
}

#[tokio::test]
async fn credits_bound_the_bytes_under_way() {
    let credits = Credits::new(1 << 20);
    let options = DataOptions { credits: credits.clone(), ..DataOptions::default() };
    let begun = Arc::new(Semaphore::new(0));
    let gate = Arc::new(Semaphore::new(0));
    let (at_begin, at_gate) = (begun.clone(), gate.clone());
    let (client, _server) = client_and_server(options, move |_, _| {
        let (begun, gate) = (at_begin.clone(), at_gate.clone());
        async move {
            begun.add_permits(1);
            gate.acquire().await.map_err(|error| error.to_string())?.forget();
            Ok(Parcel { head: Bytes::new(), buffers: vec![vec![0; 512 << 10].into()] })
        }
    })
    .await;
    let asking: Vec<_> = (0..4)
        .map(|request| {
            let client = client.clone();
            tokio::spawn(async move { client.request(&request, Vec::new(), 512 << 10).await })
        })
        .collect();
    within(begun.acquire_many(2)).await.unwrap().forget();
    assert_eq!(credits.free_bytes(), 0);
    assert_eq!(begun.available_permits(), 0, "the third waits for credits");
    gate.add_permits(4);
    for answer in asking {
        assert_eq!(within(answer).await.unwrap().unwrap().size_bytes(), 512 << 10);
    }
    assert_eq!(credits.free_bytes(), 1 << 20);
    // More than all credits takes all of them, and does not wait for ever.
    gate.add_permits(1);
    within(client.request(&9, Vec::new(), 1 << 40)).await.unwrap();
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_before_it_is_read() {
    let (listening, connecting) = within(pair(&credentials())).await;
    let _server = tokio::spawn(serve(listening, DataOptions::default(), |buffers: u64, _| async move {
        Ok(Parcel { head: Bytes::new(), buffers: vec![vec![1; 1000].into(); buffers as usize] })
    }));
    let limits = DataOptions { parcel_bytes_max: 10_000, buffers_max: 8, ..DataOptions::default() };
    let client = DataClient::<u64>::new(connecting, limits);
    within(client.request(&8, Vec::new(), 0)).await.unwrap();
    let error = within(client.request(&9, Vec::new(), 0)).await.unwrap_err();
    assert!(error.to_string().contains("it announces 9 buffers, and the limit is 8"), "{error}");
    assert_eq!(client.ended(), Some(error));
}

#[tokio::test]
async fn bytes_over_the_limit_are_refused() {
    let (listening, connecting) = within(pair(&credentials())).await;
    let limits = DataOptions { parcel_bytes_max: 10_000, ..DataOptions::default() };
    let server = tokio::spawn(serve(listening, limits, |_: u64, _| async move { Ok(Parcel::default()) }));
    let client = DataClient::<u64>::new(connecting, DataOptions::default());
    let error = within(client.request(&0, vec![vec![1; 20_000].into()], 0)).await.unwrap_err();
    assert!(matches!(error, NetError::Closed { .. } | NetError::Lost { .. }), "{error}");
    let error = within(server).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("and the limit is 10000") && error.contains("the worker at"), "{error}");
}

#[tokio::test]
async fn a_lost_server_wakes_everybody_who_waits() {
    let begun = Arc::new(Semaphore::new(0));
    let at_begin = begun.clone();
    let (client, server) = client_and_server(DataOptions::default(), move |_, _| {
        at_begin.add_permits(1);
        std::future::pending()
    })
    .await;
    let waiting: Vec<_> = (0..20)
        .map(|request| {
            let client = client.clone();
            tokio::spawn(async move { client.request(&request, Vec::new(), 0).await })
        })
        .collect();
    within(begun.acquire_many(20)).await.unwrap().forget();
    server.abort();
    for waiter in waiting {
        let error = within(waiter).await.unwrap().unwrap_err();
        assert!(matches!(error, NetError::Lost { .. } | NetError::Closed { .. }), "{error}");
    }
    let later = within(client.request(&0, Vec::new(), 0)).await.unwrap_err();
    assert_eq!(Some(later), client.ended());
}

#[tokio::test]
async fn a_server_ends_when_its_client_is_gone() {
    let (client, server) = client_and_server(DataOptions::default(), |_, _| async { Ok(Parcel::default()) }).await;
    within(client.request(&0, Vec::new(), 0)).await.unwrap();
    drop(client);
    assert_eq!(within(server).await.unwrap(), Ok(()));
}
