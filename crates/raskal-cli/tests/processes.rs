//! The command as a process: a scheduler that can be found and reached, a worker that becomes its Python.

use raskal_net::{Credentials, Role, SchedulerFile, connect};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn raskal() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raskal"));
    command.env_remove("RASKAL_SCHEDULER_FILE").env_remove("RASKAL_TOKEN").env("RASKAL_LOG", "error");
    command
}

/// Starts a scheduler and waits until it says that it listens; gives what it said.
fn start(arguments: &[&str], file: &std::path::Path) -> (Child, String) {
    let mut child = raskal()
        .args(["scheduler", "--port", "0", "--end-with-stdin", "--scheduler-file"])
        .arg(file)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    while !said.contains("scheduler file") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "it ended; it said: {said}");
    }
    (child, said)
}

#[tokio::test]
async fn a_scheduler_lets_in_who_has_its_file_and_ends_with_its_starter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scheduler.json");
    let (mut child, said) = start(&["--no-dashboard"], &path);
    let file = SchedulerFile::read(&path).unwrap();
    assert_eq!(file.pid, child.id());
    assert!(said.contains(&file.addresses[0].to_string()) && !said.contains("dashboard"), "{said}");
    assert!(!said.contains(file.token.as_deref().unwrap()), "the token is not shown");
    let credentials = Credentials::from_scheduler_file(&file).unwrap();
    let time = Duration::from_secs(10);
    let link = connect(&file.addresses[0], &credentials, Role::Client, time).await.unwrap();
    assert_eq!(link.peer().role, Role::Scheduler);
    let stranger = Credentials::generate(&["localhost"]).unwrap();
    assert!(connect(&file.addresses[0], &stranger, Role::Client, time).await.is_err());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!path.exists(), "the file goes with the scheduler");
}

#[test]
fn an_insecure_scheduler_says_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scheduler.json");
    let (mut child, said) = start(&["--insecure", "--dashboard-address", ":0"], &path);
    assert!(said.contains("tcp://127.0.0.1:") && said.contains("http://127.0.0.1:"), "{said}");
    assert_eq!(SchedulerFile::read(&path).unwrap().token, None);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_scheduler_that_can_not_listen_says_why_and_fails() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = raskal().args(["scheduler", "--no-dashboard", "--port", &port]).output().unwrap();
    assert!(!ended.status.success());
    let error = String::from_utf8(ended.stderr).unwrap();
    assert!(error.contains(&format!("port {port} is taken by another process")), "{error}");
}

#[test]
fn a_worker_becomes_its_python() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python");
    std::fs::write(&python, "#!/bin/sh\necho $$ $TMPDIR \"$@\"\n").unwrap();
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let scratch = folder.path().join("scratch");
    let mut child = raskal()
        .args(["worker", "tls://127.0.0.1:8786", "--nthreads", "2", "--python"])
        .arg(&python)
        .arg("--local-directory")
        .arg(&scratch)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    let scratch = scratch.canonicalize().unwrap();
    assert_eq!(
        said.trim(),
        format!("{} {} -m raskal.node tls://127.0.0.1:8786 --nthreads 2", child.id(), scratch.display())
    );
}

#[test]
fn a_worker_without_scheduler_or_python_says_what_is_missing() {
    let error = |arguments: &[&str]| {
        let ended = raskal().arg("worker").args(arguments).output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    assert!(error(&[]).contains("<ADDRESS>"));
    assert!(error(&["127.0.0.1"]).contains("it has no port"));
    let missing = error(&["tls://127.0.0.1:1", "--python", "/nonexistent/python"]);
    assert!(missing.contains("/nonexistent/python") && missing.contains("--python"), "{missing}");
}
