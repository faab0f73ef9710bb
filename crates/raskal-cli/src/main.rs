//! The `raskal` command: starts schedulers and workers, and shows what they do.
//!
//! Start at [`command::Cli`], which is also what `raskal --help` shows. Each subcommand has a file of its own:
//! [`scheduler`] runs in this process, [`worker`] becomes a Python process, as do those that only Python knows ([`python`]),
//! and [`top`] draws in the terminal.
//! Invariant: this program links neither Python nor DataFusion.

mod command;
mod habits;
mod interface;
mod python;
mod scheduler;
mod seconds;
mod top;
mod top_screen;
mod worker;

use clap::Parser;
use command::{Cli, Subcommand};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.subcommand {
        Subcommand::Scheduler(options) => scheduler::run(options),
        Subcommand::Worker(options) => worker::run(options),
        Subcommand::Ssh(arguments) => python::run("ssh", arguments),
        Subcommand::Spec(arguments) => python::run("spec", arguments),
        Subcommand::Config(arguments) => python::run("config", arguments),
        Subcommand::Info(arguments) => python::run("info", arguments),
        Subcommand::Docs(arguments) => python::run("docs", arguments),
        Subcommand::Top(options) => top::run(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("raskal: {message}");
            ExitCode::FAILURE
        }
    }
}
