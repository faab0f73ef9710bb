//! A scheduler, two workers that know functions by name, and a client that knows their names alone.

use raskal::cluster::{Call, Cluster, Functions, Worker};
use raskal::prelude::Failure;
use raskal_net::{Address, Credentials};
use raskal_runtime::client::ClientOptions;
use raskal_server::{ServerOptions, Started};
use raskal_types::ErrorKind;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(60);

fn functions() -> Functions {
    let mut functions = Functions::new();
    functions.add("square", |n: u64| Ok(n * n));
    functions.add("repeat", |text: String, times: u32| Ok(text.repeat(times as usize)));
    functions.add("nothing", || Ok(()));
    functions.add("fail", |n: u64| -> Result<u64, Failure> {
        Err(Failure::new(ErrorKind::Value, format!("{n} is a bad number")))
    });
    functions.add_many("sum", |parts: Vec<u64>| Ok(parts.iter().sum::<u64>()));
    functions
}

fn cluster() -> (Cluster, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let credentials = Credentials::generate(&["127.0.0.1"]).unwrap();
    let (tell, told) = std::sync::mpsc::channel::<Started>();
    let options = ServerOptions {
        listen: vec![Address::tls("127.0.0.1", 0)],
        credentials: Some(credentials.clone()),
        scheduler_file: Some(folder.path().join("scheduler.json")),
        dashboard: None,
        on_start: Some(Box::new(move |started| tell.send(started.clone()).unwrap())),
        ..ServerOptions::default()
    };
    std::thread::spawn(move || raskal_server::run(options).unwrap());
    let started = told.recv_timeout(TIME).unwrap();
    for number in 0..2 {
        let worker = Worker::with(started.addresses[0].clone(), credentials.clone());
        let worker = worker.threads(1).name(&format!("worker-{number}"));
        std::thread::spawn(move || worker.run(functions()));
    }
    let cluster = Cluster::with(&ClientOptions {
        address: None,
        scheduler_file: Some(started.scheduler_file),
        token: None,
        credentials: None,
        name: "test".into(),
        timeout: TIME,
    })
    .unwrap();
    cluster.wait_for_workers(2, TIME).unwrap();
    (cluster, folder)
}

#[test]
fn functions_are_called_by_name_with_values_and_results() {
    let (cluster, _folder) = cluster();
    let squares = cluster.map::<u64, u64>("square", 0..100).unwrap();
    let total = cluster.call("sum").value(&1u64).futures(&squares).submit::<u64>().unwrap();
    drop(squares);
    assert_eq!(total.result().unwrap(), 1 + (0..100).map(|n| n * n).sum::<u64>());
    let text = cluster.call("repeat").value("ab").value(&50_000u32).submit::<String>().unwrap();
    let again = cluster.call("repeat").future(&text).value(&2u32).submit::<String>().unwrap();
    assert_eq!(again.result().unwrap(), "ab".repeat(100_000));
    cluster.call("nothing").submit::<()>().unwrap().result().unwrap();
}

#[test]
fn what_goes_wrong_is_told_to_the_client() {
    let (cluster, _folder) = cluster();
    let said = |call: Call<'_>| call.submit::<u64>().unwrap().result().unwrap_err();
    let failure = said(cluster.call("fail").value(&7u64));
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Value, "7 is a bad number"));
    assert!(failure.key.as_deref().is_some_and(|key| key.contains("fail-")), "{failure:?}");
    let failure = said(cluster.call("cube").value(&7u64));
    assert!(failure.message.contains("no function 'cube'") && failure.message.contains("square"), "{failure}");
    let failure = said(cluster.call("square").value(&7u64).value(&8u64));
    assert!(failure.message.contains("takes 1 arguments, and got 2"), "{failure}");
    let failure = said(cluster.call("repeat").value("only one"));
    assert!(failure.message.contains("takes 2 arguments, and got 1"), "{failure}");
    // The cluster goes on.
    assert_eq!(cluster.call("square").value(&3u64).submit::<u64>().unwrap().result().unwrap(), 9);
}
