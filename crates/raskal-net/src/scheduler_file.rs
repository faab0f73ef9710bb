//! The file in which a scheduler tells its own user's processes where it listens and how to be let in.
//!
//! Start at [`SchedulerFile`]. It holds the cluster's secret: it is written whole or not at all, and only its owner
//! may read it.

use crate::{Address, Credentials, NetError};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the environment variable that names the scheduler's file.
pub const SCHEDULER_FILE_VARIABLE: &str = "RASKAL_SCHEDULER_FILE";

/// What a scheduler tells its workers and clients.
#[derive(Clone, Serialize, Deserialize)]
pub struct SchedulerFile {
    /// Version of raskal that the scheduler runs.
    pub version: String,
    /// Where it listens, the preferred address first.
    pub addresses: Vec<Address>,
    /// Its certificate in PEM, to be pinned; none when insecure or when its certificate comes from an authority.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The certificate's fingerprint, for people.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The token in hexadecimal digits; none when insecure.
    #[serde(default)]
    pub token: Option<String>,
    /// The scheduler's process.
    pub pid: u32,
    /// Where its dashboard is, if it has one.
    #[serde(default)]
    pub dashboard: Option<String>,
}

impl SchedulerFile {
    /// What a scheduler with these credentials tells.
    pub fn new(addresses: Vec<Address>, credentials: &Credentials, dashboard: Option<String>) -> SchedulerFile {
        let certificate = credentials.certificate();
        SchedulerFile {
            version: crate::VERSION.to_owned(),
            addresses,
            fingerprint: certificate.as_ref().map(|certificate| certificate.fingerprint()),
            certificate: certificate.map(|certificate| certificate.to_pem()),
            token: credentials.token().map(|token| token.reveal()),
            pid: std::process::id(),
            dashboard,
        }
    }

    /// The per-user folder of scheduler files: `$XDG_RUNTIME_DIR/raskal`, or `~/.cache/raskal`.
    pub fn folder() -> PathBuf {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = || variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
        match variable("XDG_RUNTIME_DIR").filter(|folder| folder.is_dir()).or_else(cache) {
            Some(folder) => folder.join("raskal"),
            None => std::env::temp_dir().join(format!("raskal-{}", current_user())),
        }
    }

    /// Where a scheduler that listens at `address` writes its file: `RASKAL_SCHEDULER_FILE`, or the per-user folder.
    pub fn default_path(address: &Address) -> PathBuf {
        let named = std::env::var_os(SCHEDULER_FILE_VARIABLE).filter(|value| !value.is_empty());
        named.map(PathBuf::from).unwrap_or_else(|| {
            let name = match address.host_port() {
                Some((_, port)) => format!("scheduler-{port}.json"),
                None => format!("scheduler-{}.json", std::process::id()),
            };
            SchedulerFile::folder().join(name)
        })
    }

    /// Writes the file whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// If the folder or file can't be written.
    pub fn write(&self, path: &Path) -> Result<(), NetError> {
        let failed = |error: std::io::Error| file_error(path, format!("cannot write the scheduler file: {error}"));
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        check_folder(folder)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| file_error(path, error.to_string()))?;
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = folder.join(name);
        let write = || {
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        };
        write().map_err(|error| {
            // The first error is the one to tell; a temporary file that can't be removed changes nothing.
            let _ = fs::remove_file(&temporary);
            failed(error)
        })
    }

    /// Reads a scheduler's file.
    ///
    /// # Errors
    /// If it is missing or is not a scheduler file.
    pub fn read(path: &Path) -> Result<SchedulerFile, NetError> {
        let text = fs::read_to_string(path).map_err(|error| {
            file_error(
                path,
                format!(
                    "cannot read the scheduler file: {error}\nhint: is the scheduler running, and is this its file?"
                ),
            )
        })?;
        let file: SchedulerFile =
            serde_json::from_str(&text).map_err(|error| file_error(path, format!("not a scheduler file: {error}")))?;
        let mode = fs::metadata(path).map(|metadata| metadata.mode() & 0o077).unwrap_or(0);
        if mode != 0 && file.token.is_some() {
            tracing::warn!(path = %path.display(), "others may read the token in this scheduler file: chmod 600 it");
        }
        Ok(file)
    }

    /// The file of the running scheduler that listens at `address`: the one that `RASKAL_SCHEDULER_FILE` names, or one
    /// of the per-user folder.
    ///
    /// # Errors
    /// If the named file can't be read. Unreadable files of the folder are passed over.
    pub fn find(address: &Address) -> Result<Option<SchedulerFile>, NetError> {
        match std::env::var_os(SCHEDULER_FILE_VARIABLE).filter(|value| !value.is_empty()) {
            Some(named) => {
                let file = SchedulerFile::read(Path::new(&named))?;
                Ok(file.serves(address).then_some(file))
            }
            None => Ok(SchedulerFile::find_in(&SchedulerFile::folder(), address)),
        }
    }

    /// Like [`SchedulerFile::find`], among the files of one folder; an exact address goes before a wildcard.
    pub fn find_in(folder: &Path, address: &Address) -> Option<SchedulerFile> {
        let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        files
            .filter_map(|path| SchedulerFile::read(&path).ok())
            .filter(|file| file.serves(address) && process_lives(file.pid))
            .max_by_key(|file| file.addresses.contains(address))
    }

    /// Removes the file if it is still this process's own; a scheduler does so when it ends.
    pub fn remove_own(path: &Path) {
        let own = SchedulerFile::read(path).is_ok_and(|file| file.pid == std::process::id());
        if own && let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "the scheduler file stays behind");
        }
    }

    fn serves(&self, address: &Address) -> bool {
        self.addresses.iter().any(|listening| address.may_reach(listening))
    }
}

impl std::fmt::Debug for SchedulerFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SchedulerFile({:?}, pid {}, raskal {})", self.addresses, self.pid, self.version)
    }
}

fn file_error(path: &Path, reason: String) -> NetError {
    NetError::File { path: path.display().to_string(), reason }
}

/// A folder that others may write to is no place for a secret (they could swap the file), except sticky ones like /tmp.
fn check_folder(folder: &Path) -> Result<(), NetError> {
    let mode = fs::metadata(folder).map_err(|error| file_error(folder, error.to_string()))?.mode();
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Err(file_error(
            folder,
            format!(
                "everybody may write to this folder (mode {:o}), so a scheduler file is not safe in it",
                mode & 0o7777
            ),
        ));
    }
    Ok(())
}

pub(crate) fn current_user() -> u32 {
    #[expect(unsafe_code)]
    // SAFETY: geteuid takes no argument, has no precondition and never fails.
    unsafe {
        libc::geteuid()
    }
}

/// Whether a process of this machine with that number exists (it may be another one by now: the pin tells).
fn process_lives(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    #[expect(unsafe_code)]
    // SAFETY: signal 0 only asks whether the process exists.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(addresses: &[&str]) -> SchedulerFile {
        let credentials = Credentials::generate(&["localhost"]).unwrap();
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        SchedulerFile::new(addresses, &credentials, Some("http://127.0.0.1:8787".to_owned()))
    }

    #[test]
    fn only_its_owner_can_read_the_file_and_it_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/scheduler.json");
        let file = sample(&["tls://127.0.0.1:8786"]);
        file.write(&path).unwrap();
        file.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        let read = SchedulerFile::read(&path).unwrap();
        assert_eq!((read.addresses, read.token, read.certificate), (file.addresses, file.token, file.certificate));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn a_scheduler_is_found_by_any_name_of_its_address() {
        let folder = tempfile::tempdir().unwrap();
        sample(&["tls://127.0.0.1:8786"]).write(&folder.path().join("one.json")).unwrap();
        sample(&["tls://0.0.0.0:9000", "unix:///tmp/x"]).write(&folder.path().join("two.json")).unwrap();
        fs::write(folder.path().join("three.json"), "garbage").unwrap();
        let find = |text: &str| {
            SchedulerFile::find_in(folder.path(), &text.parse().unwrap()).map(|file| file.addresses[0].to_string())
        };
        assert_eq!(find("localhost:8786").as_deref(), Some("tls://127.0.0.1:8786"));
        assert_eq!(find("tls://node:9000").as_deref(), Some("tls://0.0.0.0:9000"));
        assert_eq!(find("unix:///tmp/x").as_deref(), Some("tls://0.0.0.0:9000"));
        assert_eq!(find("tcp://localhost:8786"), None);
    }

    #[test]
    fn the_file_of_a_dead_scheduler_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let file = SchedulerFile { pid, ..sample(&["tls://127.0.0.1:8786"]) };
        file.write(&folder.path().join("dead.json")).unwrap();
        assert!(SchedulerFile::find_in(folder.path(), &Address::tls("127.0.0.1", 8786)).is_none());
    }

    #[test]
    fn a_file_of_another_process_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scheduler.json");
        SchedulerFile { pid: std::process::id() + 1, ..sample(&["tls://127.0.0.1:8786"]) }.write(&path).unwrap();
        SchedulerFile::remove_own(&path);
        assert!(path.exists());
        sample(&["tls://127.0.0.1:8786"]).write(&path).unwrap();
        SchedulerFile::remove_own(&path);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = SchedulerFile::read(&folder.path().join("none.json")).unwrap_err().to_string();
        assert!(missing.contains("none.json") && missing.contains("is the scheduler running"), "{missing}");
        fs::write(folder.path().join("bad.json"), "{}").unwrap();
        let bad = SchedulerFile::read(&folder.path().join("bad.json")).unwrap_err().to_string();
        assert!(bad.contains("bad.json: not a scheduler file"), "{bad}");
    }

    #[test]
    fn the_token_does_not_show_in_logs() {
        let file = sample(&["tls://127.0.0.1:8786"]);
        assert!(!format!("{file:?}").contains(file.token.as_deref().unwrap()));
    }
}
