//! The extension module `raskal._raskal`: the only crate that knows Python.
//!
//! Start at [`program`], which collections lower themselves into, and [`engine`], which runs it.
//!
//! - [`error`]: failures become the exceptions that users already catch, and back.
//! - [`value`]: Python objects as values of the engine, and back; arrays and tables share their memory.
//! - [`function`]: a Python callable as the function of a layer; [`chain`]: several of them as one.
//! - [`array`]: expressions of n-dimensional arrays, and Python functions on their blocks.
//! - [`frame`]: dataframes, and pandas functions in the middle of their plans.
//! - [`bag`]: lines of text files as Python strings.
//! - [`client`], [`node`], [`executor`]: the three processes of a cluster that run Python; [`board`]: what clients share and
//!   calls into executors; [`contact`]: how they find the scheduler.
//! - [`delayed`]: the nodes of graphs that users draw by calling functions.
//! - [`content`]: hashes of large buffers.
//! - [`annotate`]: what users ask of tasks; [`record`]: which task ran when, for profilers.
//! - [`export`]: tasks for engines that are not ours.
//!
//! Invariant: nothing here decides what runs when or where; it only translates.

mod annotate;
mod array;
mod bag;
mod board;
mod breaking;
mod chain;
mod client;
mod contact;
mod content;
mod context;
mod delayed;
mod engine;
mod error;
mod executor;
mod export;
mod frame;
mod function;
mod node;
mod program;
mod record;
mod value;

use pyo3::prelude::*;

#[pymodule]
fn _raskal(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    annotate::register(module)?;
    array::register(module)?;
    bag::register(module)?;
    board::register(module)?;
    client::register(module)?;
    content::register(module)?;
    delayed::register(module)?;
    engine::register(module)?;
    export::register(module)?;
    frame::register(module)?;
    executor::register(module)?;
    node::register(module)?;
    program::register(module)?;
    record::register(module)?;
    Ok(())
}
