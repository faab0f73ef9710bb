//! Frames from file to rows, against small tables written by hand.

mod csv;
mod groups;
mod joins;
mod plans;

use crate::{CsvOptions, Frame};
use arrow::util::pretty::pretty_format_batches;
use raskal_store::Batches;
use tempfile::TempDir;

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The CSV files of a folder.
pub(crate) fn read(folder: &TempDir, options: CsvOptions) -> crate::Result<Frame> {
    Frame::read_csv(&[folder.path().join("*.csv").to_string_lossy().into_owned()], options)
}

/// Rows as text, a line each, values by `|`; missing values are empty.
pub(crate) fn lines(rows: &Batches) -> Vec<String> {
    let text = pretty_format_batches(&rows.batches).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|");
    let inside = text.lines().filter(|line| line.starts_with('|'));
    inside.skip(1).map(cells).collect()
}
