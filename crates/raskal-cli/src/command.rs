//! What can be typed, and what `--help` says about it.
//!
//! Invariant: every option does something; what a worker takes is passed on to `raskal.node`, which refuses what it
//! does not know.

use crate::top_screen::Order;
use crate::{habits, seconds};
use clap::{Args, Parser};
use raskal_net::Address;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Run clusters for raskal: parallel NumPy, pandas and Python.
///
/// On one machine nothing needs to be started: raskal computes on threads, and `raskal.distributed.LocalCluster` starts
/// processes by itself. This command starts the parts of a cluster one by one, on one machine or on many.
#[derive(Debug, Parser)]
#[command(name = "raskal", version, propagate_version = true, max_term_width = 100, after_long_help = EXAMPLES, subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

const EXAMPLES: &str = "\
Examples:
  raskal scheduler                        in one terminal
  raskal worker tls://127.0.0.1:8786      in another, or on another machine
  raskal top                              what they do, in a third
  Client(\"tls://127.0.0.1:8786\")          in Python, from raskal.distributed

Environment:
  RASKAL_SCHEDULER_FILE  the scheduler's file, as with --scheduler-file
  RASKAL_TOKEN           the cluster's token, for processes that can't read that file
  RASKAL_LOG             what the scheduler logs: error, warn, info (default), debug, trace";

#[derive(Debug, clap::Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for as long as the command line is read")]
pub(crate) enum Subcommand {
    Scheduler(SchedulerOptions),
    Worker(WorkerOptions),
    Top(TopOptions),
    /// Start a cluster on machines that are reached by ssh.
    #[command(disable_help_flag = true)]
    Ssh(PythonArguments),
    /// Start one part of a cluster, as described in JSON.
    #[command(disable_help_flag = true)]
    Spec(PythonArguments),
    /// Read and change settings.
    #[command(disable_help_flag = true)]
    Config(PythonArguments),
    /// Tell what is installed.
    #[command(disable_help_flag = true)]
    Info(PythonArguments),
    /// Tell where the documentation is.
    #[command(disable_help_flag = true)]
    Docs(PythonArguments),
}

/// What is passed on to Python as it was typed.
#[derive(Debug, Args)]
pub(crate) struct PythonArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub(crate) words: Vec<std::ffi::OsString>,
}

/// Start a scheduler.
///
/// It listens for workers and clients, encrypted, and on this machine only unless --host or --interface says otherwise.
/// Its address, certificate and token go to a file that only you can read: your workers and clients on this machine
/// find it by themselves, others are given it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  raskal scheduler                                                this machine only
  raskal scheduler --host 0.0.0.0 --scheduler-file /nfs/s.json    for others, who read the file
  raskal scheduler --port 0 --no-dashboard                        any free port, no web page
  raskal scheduler --insecure                                     no encryption, no token")]
pub(crate) struct SchedulerOptions {
    /// Name or number of the interface to listen at; 0.0.0.0 for all.
    #[arg(long, default_value = "127.0.0.1", help_heading = "Where to listen")]
    pub(crate) host: String,
    /// Name of the network interface to listen at, in place of --host, such as eth0.
    #[arg(long, conflicts_with = "host", help_heading = "Where to listen")]
    pub(crate) interface: Option<String>,
    /// Port for workers and clients; 0 for any free one.
    #[arg(long, default_value_t = 8786, help_heading = "Where to listen")]
    pub(crate) port: u16,
    /// Unix socket to listen at as well, for processes of this machine.
    #[arg(long, value_name = "PATH", help_heading = "Where to listen")]
    pub(crate) socket: Option<PathBuf>,
    /// Address of the web page: host:port, or :port at the scheduler's host. By default port 8787, or the next free one.
    #[arg(long, value_name = "ADDRESS", help_heading = "Where to listen")]
    pub(crate) dashboard_address: Option<String>,
    /// Serve no web page.
    #[arg(long, conflicts_with = "dashboard_address", help_heading = "Where to listen")]
    pub(crate) no_dashboard: bool,

    /// File that tells workers and clients the address, certificate and token. By default one in your own folder.
    #[arg(long, value_name = "PATH", env = "RASKAL_SCHEDULER_FILE", hide_env_values = true, help_heading = "Security")]
    pub(crate) scheduler_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) security: Security,

    /// Folder of the journal: a scheduler that is killed and started again with it goes on with its work. By default beside
    /// the scheduler file, if one is given.
    #[arg(long, value_name = "PATH", help_heading = "Life")]
    pub(crate) journal: Option<PathBuf>,
    /// Keep no journal: the end of the scheduler is the end of its cluster.
    #[arg(long, conflicts_with = "journal", help_heading = "Life")]
    pub(crate) no_journal: bool,
    /// A worker that says nothing for so long counts as lost, and its tasks run elsewhere: 30s, 5min.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, default_value = "30s", help_heading = "Life")]
    pub(crate) worker_timeout: Duration,
    /// End when there was nothing to do for so long: 10min, 2h.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, help_heading = "Life")]
    pub(crate) idle_timeout: Option<Duration>,
    /// File to write the process's number to.
    #[arg(long, value_name = "PATH", help_heading = "Life")]
    pub(crate) pid_file: Option<PathBuf>,
    /// End when the standard input ends, which it does when the process that started this one is gone.
    #[arg(long, help_heading = "Life")]
    pub(crate) end_with_stdin: bool,
    #[command(flatten)]
    pub(crate) habits: habits::Scheduler,
    /// Refused: the scheduler runs no Python.
    #[arg(long, value_name = "MODULE", hide = true)]
    pub(crate) preload: Vec<String>,
}

/// Start a worker.
///
/// One worker per machine is meant: it holds the values, talks to the scheduler and the other workers, and starts
/// and watches the Python processes that run the tasks.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  raskal worker tls://127.0.0.1:8786                          a scheduler on this machine
  raskal worker --scheduler-file /nfs/s.json                  a scheduler that wrote this file
  raskal worker tls://node-1:8786 --nworkers 8 --nthreads 1   for pure Python tasks
  raskal worker node-1:8786 --insecure                        a scheduler started with --insecure")]
pub(crate) struct WorkerOptions {
    /// The scheduler's address, such as tls://127.0.0.1:8786. Not needed with a scheduler file.
    #[arg(value_name = "ADDRESS", required_unless_present = "scheduler_file")]
    pub(crate) address: Option<Address>,

    /// How many Python processes run tasks: a number, auto for as many as suit the cores, -1 for all cores, -2 for all but
    /// one. One if not given.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, help_heading = "Resources")]
    pub(crate) nworkers: Option<String>,
    /// How many threads each of them has; NumPy and pandas like several, pure Python one. By default the machine's cores,
    /// shared among the processes.
    #[arg(long, value_name = "COUNT", help_heading = "Resources")]
    pub(crate) nthreads: Option<NonZeroU32>,
    /// How many tasks run at once that need no Python. By default as many as Python tasks.
    #[arg(long, value_name = "COUNT", help_heading = "Resources")]
    pub(crate) native_threads: Option<NonZeroU32>,
    /// Memory for values and processes: a size such as 4GiB, a part of the machine's such as 0.5, 0 for no limit. By
    /// default the machine's, in proportion to the threads. Above 60 % of it values go to disk, from 80 % on the worker is
    /// given nothing new, at 95 % its largest process is ended.
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    pub(crate) memory_limit: Option<String>,
    /// How much it has of resources that tasks may ask for, such as "GPU=2 MEM=1e9".
    #[arg(long, value_name = "NAME=AMOUNT...", help_heading = "Resources")]
    pub(crate) resources: Option<String>,
    /// Folder for temporary files; made if it is missing.
    #[arg(long, value_name = "PATH", help_heading = "Resources")]
    pub(crate) local_directory: Option<PathBuf>,

    /// Name for people, shown on the dashboard.
    #[arg(long, help_heading = "Identity and place")]
    pub(crate) name: Option<String>,
    /// Name or number of the interface to listen at for other workers and clients. By default the one that reaches the
    /// scheduler.
    #[arg(long, help_heading = "Identity and place")]
    pub(crate) host: Option<String>,
    /// Name of the network interface to listen at, in place of --host, such as eth0.
    #[arg(long, conflicts_with = "host", help_heading = "Identity and place")]
    pub(crate) interface: Option<String>,
    /// Port, or first and last of a range of ports such as 9000:9100, to listen at for other workers and clients. By default
    /// any free one.
    #[arg(long, value_name = "PORT", help_heading = "Identity and place")]
    pub(crate) worker_port: Option<String>,
    /// Address to listen at, such as tls://0.0.0.0:9000, in place of --host and --worker-port.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["host", "interface", "worker_port"], help_heading = "Identity and place")]
    pub(crate) listen_address: Option<Address>,
    /// Address that others are told, where it is not the one that the worker listens at: behind a forwarded port or in a
    /// container.
    #[arg(long, value_name = "ADDRESS", help_heading = "Identity and place")]
    pub(crate) contact_address: Option<Address>,
    /// Python to run tasks with. By default the python3 beside this command, else the one on the PATH.
    #[arg(long, value_name = "PATH", help_heading = "Identity and place")]
    pub(crate) python: Option<PathBuf>,

    /// File that the scheduler wrote, with its address, certificate and token.
    #[arg(long, value_name = "PATH", env = "RASKAL_SCHEDULER_FILE", hide_env_values = true, help_heading = "Security")]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// The scheduler was started with --insecure: reach it at tcp://, without encryption, whatever the address says.
    #[arg(long, requires = "address", help_heading = "Security")]
    pub(crate) insecure: bool,
    /// Certificate of one's own, in PEM, in place of one made at the start.
    #[arg(long, value_name = "PATH", requires = "tls_key", conflicts_with = "insecure", help_heading = "Security")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, in PEM.
    #[arg(long, value_name = "PATH", requires = "tls_cert", help_heading = "Security")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Certificate of one's own authority, in PEM, that signed the scheduler's and the other workers'.
    #[arg(long, value_name = "PATH", conflicts_with = "insecure", help_heading = "Security")]
    pub(crate) tls_ca_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) habits: habits::Worker,
    /// Module or file that the Python processes import before their first task; may be given several times. A function
    /// `raskal_setup(worker, *arguments)` in it is called.
    #[arg(long, value_name = "MODULE", help_heading = "Preparation")]
    pub(crate) preload: Vec<String>,
    /// Arguments of what is preloaded, behind --.
    #[arg(last = true, value_name = "ARGUMENTS", requires = "preload", help_heading = "Preparation")]
    pub(crate) preload_argv: Vec<String>,
    /// File to write the process's number to.
    #[arg(long, value_name = "PATH", help_heading = "Life")]
    pub(crate) pid_file: Option<PathBuf>,

    /// Leave after so long, once its values are elsewhere: 30min, 12h.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, help_heading = "Life")]
    pub(crate) lifetime: Option<Duration>,
    /// Add up to so much to --lifetime, or take it away, by chance: so that many workers do not leave at once.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, requires = "lifetime", help_heading = "Life")]
    pub(crate) lifetime_stagger: Option<Duration>,
    /// Start anew after --lifetime, in place of ending.
    #[arg(long, requires = "lifetime", overrides_with = "no_lifetime_restart", help_heading = "Life")]
    pub(crate) lifetime_restart: bool,
    #[arg(long, hide = true)]
    pub(crate) no_lifetime_restart: bool,
    /// Give up when the scheduler can't be reached for so long: 60s, 2min.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, help_heading = "Life")]
    pub(crate) death_timeout: Option<Duration>,
    /// End when the standard input ends, which it does when the process that started this one is gone.
    #[arg(long, help_heading = "Life")]
    pub(crate) end_with_stdin: bool,
}

/// Who is let in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Security")]
pub(crate) struct Security {
    /// No encryption and no token: whoever reaches the port can run code. The address is then tcp://.
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key", "tls_ca_file"])]
    pub(crate) insecure: bool,
    /// Certificate of one's own, in PEM, in place of one made at the start.
    #[arg(long, value_name = "PATH", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key of --tls-cert, in PEM.
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Certificate of one's own authority, in PEM: peers whose certificate it signed are let in without a token.
    #[arg(long, value_name = "PATH", requires = "tls_cert")]
    pub(crate) tls_ca_file: Option<PathBuf>,
}

/// Show what a cluster does.
///
/// Workers, their load and memory, the layers at work and the scheduler's own health, in this terminal. It asks the
/// scheduler what the dashboard shows, and can only look. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  raskal top                                the scheduler at tls://127.0.0.1:8786
  raskal top --scheduler-file /nfs/s.json   a scheduler that wrote this file
  raskal top --once                         once, for a script")]
pub(crate) struct TopOptions {
    /// The scheduler's address. By default the scheduler file's, or tls://127.0.0.1:8786.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: Option<Address>,
    /// Print once and end, as it does where the output is no terminal.
    #[arg(long)]
    pub(crate) once: bool,
    /// How the workers are sorted.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sort: Order,
    /// Time between two looks, such as 500ms.
    #[arg(long, value_name = "TIME", value_parser = seconds::parse, default_value = "1s")]
    pub(crate) interval: Duration,
    /// File that the scheduler wrote, with its address, certificate and token.
    #[arg(long, value_name = "PATH", env = "RASKAL_SCHEDULER_FILE", hide_env_values = true)]
    pub(crate) scheduler_file: Option<PathBuf>,
    /// The scheduler was started with --insecure: reach it at tcp://, without encryption.
    #[arg(long)]
    pub(crate) insecure: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn help(subcommand: Option<&str>) -> String {
        let mut command = Cli::command().term_width(100);
        command.build();
        let command = match subcommand {
            Some(name) => command.find_subcommand_mut(name).unwrap(),
            None => &mut command,
        };
        command.render_long_help().to_string()
    }

    fn refusal(arguments: &str) -> String {
        let words = std::iter::once("raskal").chain(arguments.split(' '));
        Cli::try_parse_from(words).unwrap_err().to_string()
    }

    #[test]
    fn the_command_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_reads_as_in_the_snapshots() {
        insta::assert_snapshot!("raskal", help(None));
        insta::assert_snapshot!("scheduler", help(Some("scheduler")));
        insta::assert_snapshot!("worker", help(Some("worker")));
    }

    #[test]
    fn what_can_not_go_together_is_refused() {
        assert!(refusal("scheduler --interface lo --host ::").contains("--interface <INTERFACE>' cannot be used with"));
        let insecure = refusal("scheduler --insecure --tls-cert a --tls-key b");
        assert!(insecure.contains("--insecure") && insecure.contains("cannot be used with"), "{insecure}");
        assert!(refusal("scheduler --tls-cert a").contains("--tls-key"));
        assert!(refusal("worker 127.0.0.1").contains("it has no port"));
        assert!(refusal("worker tls://127.0.0.1:8786 --nthreads 0").contains("--nthreads"));
        assert!(refusal("worker tls://127.0.0.1:8786 --death-timeout soon").contains("'soon' is not a time"));
        assert!(refusal("worker --scheduler-file s --insecure").contains("<ADDRESS>"));
    }
}
