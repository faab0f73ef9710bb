//! Dataframes under Python: thin faces of `raskal-frame`, and pandas functions for the middle of its plans.
//!
//! Start at [`table::Frame`]. [`mapper`] is a Python function on partitions or columns; [`arrow`] shares memory with
//! pyarrow.
//!
//! Invariant: the interpreter lock is released wherever a plan is made or files are looked at.

pub(crate) mod arrow;
pub(crate) mod mapper;
mod read;
mod table;

use pyo3::prelude::*;

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<table::Frame>()?;
    module.add_function(wrap_pyfunction!(read::frame_read_csv, module)?)?;
    module.add_function(wrap_pyfunction!(read::frame_read_parquet, module)?)?;
    module.add_function(wrap_pyfunction!(read::frame_from_table, module)?)?;
    module.add_function(wrap_pyfunction!(read::frame_from_persisted, module)?)?;
    module.add_function(wrap_pyfunction!(read::frame_from_tasks, module)?)?;
    module.add_function(wrap_pyfunction!(table::frame_concat, module)?)?;
    module.add_function(wrap_pyfunction!(table::frame_sql, module)?)?;
    mapper::register();
    Ok(())
}
