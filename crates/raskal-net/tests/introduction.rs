//! Who is let in, who is not, and what both sides are told: real sockets on loopback.

mod common;

use common::*;
use raskal_net::{
    Address, Credentials, HandshakeOptions, Identity, Link, Listener, NetError, Role, SchedulerFile, Token,
};
use raskal_net::{connect, connect_with};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn knock(address: &Address, credentials: &Credentials) -> Result<Link, NetError> {
    connect_with(address, credentials, &as_worker()).await
}

fn as_worker() -> HandshakeOptions {
    HandshakeOptions { deadline: PATIENCE, ..HandshakeOptions::new(Role::Worker) }
}

async fn connect_as_worker(address: &Address, credentials: &Credentials) -> Result<Link, NetError> {
    within(connect(address, credentials, Role::Worker, PATIENCE)).await
}

#[tokio::test]
async fn both_sides_learn_who_the_other_is() {
    let (scheduler_end, worker_end) = within(pair(&credentials())).await;
    assert_eq!(scheduler_end.peer().role, Role::Worker);
    assert_eq!(worker_end.peer().role, Role::Scheduler);
    assert_eq!(worker_end.peer().version, raskal_net::VERSION);
    let from = worker_end.local_address().unwrap();
    assert_eq!(scheduler_end.peer().to_string(), format!("the worker at {from}"));
    assert_eq!(scheduler_end.peer_address(), Some(from));
}

#[tokio::test]
async fn the_scheduler_file_lets_a_worker_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scheduler.json");
    let credentials = credentials();
    let mut listener = listen(&credentials).await;
    SchedulerFile::new(vec![listener.address().clone()], &credentials, None).write(&path).unwrap();
    let found = Credentials::from_scheduler_file(&SchedulerFile::read(&path).unwrap()).unwrap();
    let (link, _) = within(meet(&mut listener, &found, Role::Worker)).await;
    assert_eq!(link.peer().role, Role::Worker);
}

#[tokio::test]
async fn workers_recognise_each_other_by_the_token_alone() {
    let scheduler = credentials();
    let token = Token::parse(&scheduler.token().unwrap().reveal()).unwrap();
    let one = Credentials::from_token(token.clone()).with_identity(&["127.0.0.1"]).unwrap();
    let mut listener = listen_at("tls://127.0.0.1:0", &one, HandshakeOptions::new(Role::Worker)).await;
    let (_, ours) = within(meet(&mut listener, &scheduler.for_peers(), Role::Data)).await;
    assert_eq!(ours.peer().role, Role::Worker);
    let stranger = credentials().for_peers();
    let (theirs, _) = refusal(&mut listener, &stranger, HandshakeOptions::new(Role::Data)).await;
    assert!(theirs.contains("our token is not its token"), "{theirs}");
}

#[tokio::test]
async fn a_man_in_the_middle_can_not_pass_a_proof_on() {
    // The middle man speaks TLS to both sides and copies all bytes: the proofs are bound to two different sessions.
    let scheduler = credentials();
    let mut listener = listen(&scheduler).await;
    let victim = Credentials::from_token(scheduler.token().unwrap().clone());
    let middle = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let middle_address = Address::tls("127.0.0.1", middle.local_addr().unwrap().port());
    let real = listener.address().clone();
    let relay = async {
        let identity = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .unwrap();
        let (stream, _) = middle.accept().await.unwrap();
        let mut to_victim = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(stream).await.unwrap();
        let mut to_scheduler = common::tls_to(&real, scheduler.certificate().unwrap()).await;
        let _ = tokio::io::copy_bidirectional(&mut to_victim, &mut to_scheduler).await;
    };
    let (ours, theirs, ()) =
        within(async { tokio::join!(knock(&middle_address, &victim), listener.next(), relay) }).await;
    assert!(text(theirs).contains("its token is a different one"));
    assert!(text(ours).contains("token"));
}

#[tokio::test]
async fn nothing_that_listens_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = Address::tls("127.0.0.1", free);
    let error = text(connect_as_worker(&address, &credentials()).await);
    let expected = format!(
        "no scheduler listens at tls://127.0.0.1:{free}; start one with `raskal scheduler` or check the address"
    );
    assert_eq!(error, expected);
    let gone: Address = "unix:///nonexistent/raskal.sock".parse().unwrap();
    let error = text(connect_as_worker(&gone, &credentials()).await);
    assert!(error.contains("no scheduler listens at unix:///nonexistent/raskal.sock"), "{error}");
    let error = text(connect(&address, &credentials(), Role::Data, PATIENCE).await);
    assert!(error.starts_with("no worker listens at"), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = text(connect_as_worker(&Address::tls("no-such-host.invalid", 8786), &credentials()).await);
    assert!(error.contains("cannot reach tls://no-such-host.invalid:8786"), "{error}");
}

#[tokio::test]
async fn a_host_that_accepts_and_stays_silent_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = HandshakeOptions { deadline: Duration::from_millis(200), ..as_worker() };
    let address = Address::tls("127.0.0.1", port);
    let error = text(within(connect_with(&address, &credentials(), &options)).await);
    assert!(error.contains("accept a connection within"), "{error}");
    let address = Address::tcp("127.0.0.1", port);
    let error = text(within(connect_with(&address, &Credentials::insecure(), &options)).await);
    assert!(error.contains("introduce itself as raskal within"), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_both_are_told() {
    let scheduler = credentials();
    let mut listener = listen(&scheduler).await;
    let wrong = scheduler.clone().with_token(Token::random().unwrap());
    let (ours, theirs) = refusal(&mut listener, &wrong, as_worker()).await;
    assert!(ours.contains("the scheduler at tls://127.0.0.1") && ours.contains("our token is not its token"), "{ours}");
    assert!(theirs.contains("the worker at 127.0.0.1") && theirs.contains("its token is a different one"), "{theirs}");
    within(meet(&mut listener, &scheduler, Role::Worker)).await;
}

#[tokio::test]
async fn a_missing_token_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("cert.pem");
    let scheduler = credentials();
    std::fs::write(&certificate, scheduler.certificate().unwrap().to_pem()).unwrap();
    let mut listener = listen(&scheduler).await;
    let bare = Credentials::from_files(None, Some(&certificate), None).unwrap();
    let (ours, theirs) = refusal(&mut listener, &bare, as_worker()).await;
    assert!(ours.contains("it asks for a token, and none was given"), "{ours}");
    assert!(theirs.contains("it has no token"), "{theirs}");
}

#[tokio::test]
async fn a_scheduler_that_does_not_know_our_token_is_not_believed() {
    let mut listener =
        listen_at("tcp://127.0.0.1:0", &Credentials::insecure(), HandshakeOptions::new(Role::Scheduler)).await;
    let address = listener.address().clone();
    let token = Credentials::from_token(Token::random().unwrap());
    let (_, ours) = within(async { tokio::join!(listener.next(), knock(&address, &token)) }).await;
    let ours = text(ours);
    assert!(ours.contains("started with --insecure"), "{ours}");
}

#[tokio::test]
async fn a_wrong_certificate_is_refused() {
    let scheduler = credentials();
    let mut listener = listen(&scheduler).await;
    let other = credentials().with_token(scheduler.token().unwrap().clone());
    let (ours, theirs) = refusal(&mut listener, &other, as_worker()).await;
    assert!(ours.contains("certificate") && ours.contains("read its scheduler file again"), "{ours}");
    assert!(theirs.contains("certificate"), "{theirs}");
}

#[tokio::test]
async fn certificates_of_ones_own_authority_decide_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file("ca.pem"), authority.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let signed =
        rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(file("cert.pem"), signed.pem()).unwrap();
    std::fs::write(file("key.pem"), key.serialize_pem()).unwrap();
    let own =
        Credentials::from_files(Some((&file("cert.pem"), &file("key.pem"))), Some(&file("ca.pem")), None).unwrap();
    let mut listener = listen(&own).await;
    within(meet(&mut listener, &own, Role::Worker)).await;

    let without = Credentials::from_files(None, Some(&file("ca.pem")), None).unwrap();
    let (ours, theirs) = refusal(&mut listener, &without, as_worker()).await;
    assert!(ours.contains("--tls-cert") || ours.contains("closed the connection"), "{ours}");
    assert!(theirs.contains("TLS failed") || theirs.contains("certificate"), "{theirs}");
    let foreign = credentials();
    let strangers = listen(&foreign).await;
    let error = text(connect_as_worker(strangers.address(), &own).await);
    assert!(error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_without_authority_or_token_is_refused() {
    let error = Credentials::from_files(None, None, None).unwrap_err().to_string();
    assert!(error.contains("--tls-ca-file") && error.contains("RASKAL_TOKEN"), "{error}");
}

#[tokio::test]
async fn another_version_is_told_which_side_differs_on_both_sides() {
    let scheduler = credentials();
    let options = HandshakeOptions { version: "0.2.0".to_owned(), ..HandshakeOptions::new(Role::Scheduler) };
    let mut listener = listen_at("tls://127.0.0.1:0", &scheduler, options).await;
    let worker = HandshakeOptions { version: "0.1.0".to_owned(), ..as_worker() };
    let (ours, theirs) = refusal(&mut listener, &scheduler, worker).await;
    let address = listener.address();
    assert!(
        ours.starts_with(&format!(
            "this worker is raskal 0.1.0, the scheduler at {address} is 0.2.0: install the same version on both"
        )),
        "{ours}"
    );
    assert!(ours.contains("`pip install raskal==0.2.0` here"), "{ours}");
    assert!(theirs.starts_with("this scheduler is raskal 0.2.0, the worker at 127.0.0.1:"), "{theirs}");
}

#[tokio::test]
async fn another_protocol_of_the_same_version_is_told() {
    let scheduler = credentials();
    let options = HandshakeOptions { protocol: 7, ..HandshakeOptions::new(Role::Scheduler) };
    let mut listener = listen_at("tls://127.0.0.1:0", &scheduler, options).await;
    let (ours, theirs) = refusal(&mut listener, &scheduler, as_worker()).await;
    assert!(ours.contains("speaks protocol 7") && theirs.contains("speaks protocol 7"), "{ours} / {theirs}");
}

#[tokio::test]
async fn plain_tcp_to_a_tls_port_is_recognised() {
    let mut listener = listen(&credentials()).await;
    let (host, port) = listener.address().host_port().map(|(host, port)| (host.to_owned(), port)).unwrap();
    let plain = Address::tcp(host, port);
    let insecure = Credentials::insecure();
    let (theirs, ours) = within(async { tokio::join!(listener.next(), knock(&plain, &insecure)) }).await;
    let (theirs, ours) = (text(theirs), text(ours));
    assert!(ours.contains("it speaks TLS") && ours.contains("write tls://"), "{ours}");
    assert!(theirs.contains("it does not speak TLS"), "{theirs}");
}

#[tokio::test]
async fn tls_to_a_plain_port_is_recognised() {
    let mut listener =
        listen_at("tcp://127.0.0.1:0", &Credentials::insecure(), HandshakeOptions::new(Role::Scheduler)).await;
    let (_, port) = listener.address().host_port().unwrap();
    let encrypted = Address::tls("127.0.0.1", port);
    let credentials = credentials();
    let (theirs, ours) = within(async { tokio::join!(listener.next(), knock(&encrypted, &credentials)) }).await;
    let (theirs, ours) = (text(theirs), text(ours));
    assert!(ours.contains("it does not speak TLS") && ours.contains("write tcp://"), "{ours}");
    assert!(theirs.contains("it speaks TLS"), "{theirs}");
}

#[tokio::test]
async fn a_web_server_is_not_taken_for_a_scheduler() {
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::tcp("127.0.0.1", web.local_addr().unwrap().port());
    let answer = async {
        let (mut stream, _) = web.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    let insecure = Credentials::insecure();
    let (ours, ()) = within(async { tokio::join!(knock(&address, &insecure), answer) }).await;
    assert!(text(ours).contains("it speaks HTTP"));
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_peer_is_served() {
    let insecure = Credentials::insecure();
    let mut listener = listen_at("tcp://127.0.0.1:0", &insecure, HandshakeOptions::new(Role::Scheduler)).await;
    for (garbage, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "it speaks HTTP"),
        (b"\0\0\0\0\0\0\0\0\0\0", "which is not raskal"),
        (b"RASKAL\x01\n\xff\xff\xff\xff", "it announces 4294967295 bytes, but an introduction has at most 4096"),
        (b"RASKAL\x01\n\x04\0\0\0\xff\xfe{}", "not an introduction"),
        (b"RASKAL\x01\n\x04\0", "closed the connection during the introduction"),
        (b"", "closed the connection without a word"),
    ] {
        let mut stream = raw(listener.address()).await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let error = text(within(listener.next()).await);
        assert!(error.contains(reason) && error.contains("127.0.0.1"), "{error}");
    }
    within(meet(&mut listener, &insecure, Role::Client)).await;
}

#[tokio::test]
async fn garbage_in_place_of_tls_is_refused() {
    let credentials = credentials();
    let mut listener = listen(&credentials).await;
    let mut stream = raw(listener.address()).await;
    stream.write_all(&[b'x'; 4000]).await.unwrap();
    let error = text(within(listener.next()).await);
    assert!(error.contains("it does not speak TLS"), "{error}");
    within(meet(&mut listener, &credentials, Role::Client)).await;
}

#[tokio::test]
async fn a_slow_newcomer_is_hung_up_on_and_holds_up_nobody() {
    let insecure = Credentials::insecure();
    let options = HandshakeOptions { deadline: Duration::from_millis(300), ..HandshakeOptions::new(Role::Scheduler) };
    let mut listener = listen_at("tcp://127.0.0.1:0", &insecure, options).await;
    let mut slow = raw(listener.address()).await;
    slow.write_all(b"RASK").await.unwrap();
    within(meet(&mut listener, &insecure, Role::Client)).await;
    let error = text(within(listener.next()).await);
    assert!(error.contains("did not introduce itself within"), "{error}");
    let mut rest = Vec::new();
    within(slow.read_to_end(&mut rest)).await.unwrap_or_default();
    assert!(rest.is_empty(), "it was told nothing");
}

#[tokio::test]
async fn a_slow_newcomer_before_tls_is_hung_up_on() {
    let options = HandshakeOptions { deadline: Duration::from_millis(200), ..HandshakeOptions::new(Role::Scheduler) };
    let mut listener = listen_at("tls://127.0.0.1:0", &credentials(), options).await;
    let _slow: TcpStream = raw(listener.address()).await;
    let error = text(within(listener.next()).await);
    assert!(error.contains("did not introduce itself within"), "{error}");
}

#[tokio::test]
async fn a_unix_socket_lets_the_same_user_in_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raskal.sock");
    let credentials = credentials();
    let address = format!("unix://{}", path.display());
    let mut listener = listen_at(&address, &credentials, HandshakeOptions::new(Role::Scheduler)).await;
    let (link, _) = within(meet(&mut listener, &credentials, Role::Client)).await;
    assert_eq!(link.peer().address, format!("process {}", std::process::id()));
    let wrong = credentials.clone().with_token(Token::random().unwrap());
    let (ours, _) = refusal(&mut listener, &wrong, as_worker()).await;
    assert!(ours.contains("our token is not its token"), "{ours}");
    let taken = Listener::bind(&address.parse().unwrap(), &credentials, HandshakeOptions::new(Role::Scheduler)).await;
    assert!(text(taken).contains("another process listens there already"));
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_process_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("raskal.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let credentials = credentials();
    let address = format!("unix://{}", path.display());
    let mut listener = listen_at(&address, &credentials, HandshakeOptions::new(Role::Scheduler)).await;
    within(meet(&mut listener, &credentials, Role::Client)).await;
}

#[tokio::test]
async fn listening_without_encryption_must_be_asked_for() {
    let plain = Address::tcp("127.0.0.1", 0);
    let error = text(Listener::bind(&plain, &credentials(), HandshakeOptions::new(Role::Scheduler)).await);
    assert!(error.contains("not encrypted") && error.contains("--insecure"), "{error}");
    let encrypted = Address::tls("127.0.0.1", 0);
    let options = HandshakeOptions::new(Role::Scheduler);
    let error = text(Listener::bind(&encrypted, &Credentials::insecure(), options.clone()).await);
    assert!(error.contains("insecure credentials have no certificate"), "{error}");
    let token = Credentials::from_token(Token::random().unwrap());
    let error = text(Listener::bind(&encrypted, &token, options).await);
    assert!(error.contains("--tls-cert"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let listener = listen(&credentials()).await;
    let again = Listener::bind(listener.address(), &credentials(), HandshakeOptions::new(Role::Scheduler)).await;
    let error = text(again);
    let (_, port) = listener.address().host_port().unwrap();
    assert!(error.contains(&format!("port {port} is taken by another process")), "{error}");
}

#[tokio::test]
async fn nothing_to_recognise_a_tls_scheduler_by_is_an_error() {
    let error = text(connect_as_worker(&Address::tls("127.0.0.1", 1), &Credentials::insecure()).await);
    assert!(error.contains("neither a certificate nor a token") && error.contains("tcp://"), "{error}");
}

#[test]
fn an_identity_needs_names_that_can_stand_in_a_certificate() {
    assert!(Identity::generate(&["bücher"]).is_err());
}
