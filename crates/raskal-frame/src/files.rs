//! Which files a path, a folder or a pattern means.
//!
//! Start at [`list`].

use crate::{FrameError, Result};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A file as it was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq, bitcode::Encode, bitcode::Decode)]
pub struct FileInfo {
    /// Where it is.
    pub path: String,
    /// Its length, in bytes.
    pub size_bytes: u64,
    /// When it was changed last, in nanoseconds since 1970; part of the tokens of what is read from it.
    pub modified_ns: u64,
}

/// The files that these paths, folders and patterns mean, patterns and folders in natural order (`2` before `10`).
/// Of folders, those whose names end in one of `extensions`.
///
/// # Errors
/// If one of them means no file.
pub fn list(patterns: &[String], extensions: &[&str]) -> Result<Vec<FileInfo>> {
    let mut files = Vec::new();
    for pattern in patterns {
        let found = expand(pattern, extensions)?;
        if found.is_empty() {
            return Err(no_files(pattern));
        }
        for path in found {
            files.push(info(&path)?);
        }
    }
    if files.is_empty() {
        return Err(FrameError::Value("no path was given\nhint: pass a path, a pattern, or a list of paths".into()));
    }
    Ok(files)
}

fn info(path: &Path) -> Result<FileInfo> {
    let metadata = path.metadata().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => no_files(&path.to_string_lossy()),
        _ => FrameError::File { path: path.to_string_lossy().into_owned(), why: why.to_string() },
    })?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(FileInfo {
        path: path.to_string_lossy().into_owned(),
        size_bytes: metadata.len(),
        modified_ns: modified.map_or(0, |since| since.as_nanos() as u64),
    })
}

fn expand(pattern: &str, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let local = pattern.strip_prefix("file://").unwrap_or(pattern);
    if let Some((scheme, _)) = local.split_once("://") {
        return Err(FrameError::Unsupported(format!(
            "cannot read '{pattern}': only local files are supported so far, not {scheme}://\n\
             hint: copy the files to a local or mounted folder"
        )));
    }
    let local = match (local.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => local.to_owned(),
    };
    let path = Path::new(&local);
    if path.is_dir() {
        return folder(path, extensions);
    }
    if path.exists() || !local.contains(['*', '?', '[']) {
        return Ok(if path.exists() { vec![path.to_owned()] } else { vec![] });
    }
    let paths = glob::glob(&local).map_err(|why| FrameError::Value(format!("bad pattern '{pattern}': {why}")))?;
    let mut paths: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|path| path.is_file()).collect();
    paths.sort_by_cached_key(|path| natural_key(&path.to_string_lossy()));
    Ok(paths)
}

/// The files of a folder and the folders in it; names that start with `_` or `.` are bookkeeping of whoever wrote it.
fn folder(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let error =
        |why: std::io::Error| FrameError::File { path: path.to_string_lossy().into_owned(), why: why.to_string() };
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(error)? {
        let path = entry.map_err(error)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            files.extend(folder(&path, extensions)?);
        } else if extensions.iter().any(|extension| name.ends_with(extension)) {
            files.push(path);
        }
    }
    files.sort_by_cached_key(|path| natural_key(&path.to_string_lossy()));
    Ok(files)
}

fn no_files(pattern: &str) -> FrameError {
    let folder = Path::new(pattern).parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let hint = if pattern.contains(['*', '?', '[']) {
        format!("the pattern is taken from the folder {}", std::env::current_dir().unwrap_or_default().display())
    } else if folder.is_dir() {
        format!("the folder '{}' exists, the file in it does not", folder.display())
    } else {
        format!("the folder '{}' does not exist", folder.display())
    };
    FrameError::NoFiles { pattern: pattern.to_owned(), hint }
}

/// Texts and numbers in turn, so that `part.2` comes before `part.10`.
fn natural_key(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[text..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| text + end);
        key.push((rest[..text].to_owned(), rest[text..digits].parse().unwrap_or(0)));
        rest = &rest[digits..];
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_give_files_in_natural_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["part.10.csv", "part.2.csv", "notes.txt", "_metadata.csv"] {
            std::fs::write(folder.path().join(name), "x\n").unwrap();
        }
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let names = |pattern: &str| -> Vec<String> {
            let files = list(&[at(pattern)], &[".csv"]).unwrap();
            files.iter().map(|file| file.path.rsplit('/').next().unwrap().to_owned()).collect()
        };
        assert_eq!(names("part.*.csv"), ["part.2.csv", "part.10.csv"]);
        assert_eq!(names(""), ["part.2.csv", "part.10.csv"]);
        let error = list(&[at("*.parquet")], &[]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("no file matches '{}'", at("*.parquet"))), "{error}");
        assert!(list(&[at("gone/x.csv")], &[]).unwrap_err().to_string().contains("gone' does not exist"));
        assert!(list(&["s3://bucket/x.csv".into()], &[]).unwrap_err().to_string().contains("s3://"));
    }
}
