//! `raskal worker`: becomes `PYTHON -m raskal.node` with what was typed.
//!
//! The worker runs Python, so it lives in the extension; this only finds the Python and hands over, so that the process
//! that a shell or a service manager started is the worker itself.

use crate::command::WorkerOptions;
use crate::{interface, python};
use raskal_net::Address;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Replaces this process by the worker; returns only if that fails.
pub(crate) fn run(options: WorkerOptions) -> Result<(), String> {
    for line in options.habits.answer(options.insecure)? {
        eprintln!("raskal: {line}");
    }
    let python = python::find(options.python.as_deref());
    let mut command = Command::new(&python);
    if let Some(folder) = &options.local_directory {
        std::fs::create_dir_all(folder).map_err(|error| format!("--local-directory {}: {error}", folder.display()))?;
        let folder =
            folder.canonicalize().map_err(|error| format!("--local-directory {}: {error}", folder.display()))?;
        command.env("TMPDIR", folder);
    }
    command.args(arguments(options)?);
    let error = command.exec();
    Err(python::cannot_run(&python, &error))
}

/// The arguments of Python.
fn arguments(options: WorkerOptions) -> Result<Vec<OsString>, String> {
    let host = match (options.interface, options.host) {
        (Some(name), _) => Some(interface::host_of(&name)?),
        (None, host) => host,
    };
    let mut words: Vec<OsString> = vec!["-m".into(), "raskal.node".into()];
    let insecure = options.insecure;
    let reached = |address: Address| match address {
        Address::Tls { host, port } if insecure => Address::tcp(host, port),
        address => address,
    };
    words.extend(options.address.map(|address| reached(address).to_string().into()));
    let mut add = |name: &str, value: Option<OsString>| {
        if let Some(value) = value {
            words.push(name.into());
            words.push(value);
        }
    };
    let count = |count: std::num::NonZeroU32| count.to_string().into();
    add("--nworkers", options.nworkers.map(OsString::from));
    add("--nthreads", options.nthreads.map(count));
    add("--native-threads", options.native_threads.map(count));
    add("--memory-limit", options.memory_limit.map(OsString::from));
    add("--resources", options.resources.map(OsString::from));
    add("--name", options.name.map(OsString::from));
    add("--host", host.map(OsString::from));
    add("--worker-port", options.worker_port.map(OsString::from));
    add("--listen-address", options.listen_address.map(|address| address.to_string().into()));
    add("--contact-address", options.contact_address.map(|address| address.to_string().into()));
    add("--scheduler-file", options.scheduler_file.map(PathBuf::into_os_string));
    add("--lifetime", options.lifetime.map(|time| time.as_secs_f64().to_string().into()));
    add("--lifetime-stagger", options.lifetime_stagger.map(|time| time.as_secs_f64().to_string().into()));
    add("--death-timeout", options.death_timeout.map(|time| time.as_secs_f64().to_string().into()));
    add("--tls-cert", options.tls_cert.map(PathBuf::into_os_string));
    add("--tls-key", options.tls_key.map(PathBuf::into_os_string));
    add("--tls-ca-file", options.tls_ca_file.map(PathBuf::into_os_string));
    add("--pid-file", options.pid_file.map(PathBuf::into_os_string));
    for module in options.preload {
        add("--preload", Some(module.into()));
    }
    words.extend(options.lifetime_restart.then(|| "--lifetime-restart".into()));
    words.extend(options.end_with_stdin.then(|| "--end-with-stdin".into()));
    if !options.preload_argv.is_empty() {
        words.push("--".into());
        words.extend(options.preload_argv.into_iter().map(OsString::from));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Cli, Subcommand};
    use clap::Parser;

    fn words(typed: &str) -> String {
        match Cli::try_parse_from(["raskal", "worker"].into_iter().chain(typed.split(' '))).unwrap().subcommand {
            Subcommand::Worker(options) => {
                let words: Vec<String> =
                    arguments(options).unwrap().into_iter().map(|word| word.into_string().unwrap()).collect();
                words.join(" ")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_typed_reaches_the_worker() {
        assert_eq!(words("localhost:8786"), "-m raskal.node tls://localhost:8786");
        assert_eq!(
            words(
                "tls://h:1 --nworkers 2 --nthreads 3 --memory-limit 4GiB --name w --host 10.0.0.1 --death-timeout 2min"
            ),
            "-m raskal.node tls://h:1 --nworkers 2 --nthreads 3 --memory-limit 4GiB --name w --host 10.0.0.1 --death-timeout 120"
        );
        assert_eq!(
            words("--native-threads 1 --scheduler-file s.json --end-with-stdin"),
            "-m raskal.node --native-threads 1 --scheduler-file s.json --end-with-stdin"
        );
        assert_eq!(
            words(
                "h:1 --worker-port 9000:9010 --contact-address gate:7 --lifetime 1h --lifetime-stagger 1min --lifetime-restart"
            ),
            "-m raskal.node tls://h:1 --worker-port 9000:9010 --contact-address tls://gate:7 --lifetime 3600 \
             --lifetime-stagger 60 --lifetime-restart"
        );
        assert_eq!(words("h:1 --insecure"), "-m raskal.node tcp://h:1");
        assert_eq!(
            words("h:1 --tls-ca-file ca.pem --preload a --preload b.py --pid-file p -- --x y"),
            "-m raskal.node tls://h:1 --tls-ca-file ca.pem --pid-file p --preload a --preload b.py -- --x y"
        );
    }
}
