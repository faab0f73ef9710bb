//! Subcommands that Python runs: this process becomes `PYTHON -m raskal.cli NAME ...`.

use crate::command::PythonArguments;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Replaces this process by Python; returns only if that fails.
pub(crate) fn run(name: &str, arguments: PythonArguments) -> Result<(), String> {
    let python = find(None);
    let error = Command::new(&python).args(["-m", "raskal.cli", name]).args(arguments.words).exec();
    Err(cannot_run(&python, &error))
}

/// The Python to run: the given one, the one beside this command, or the one on the PATH.
pub(crate) fn find(given: Option<&Path>) -> PathBuf {
    let folder = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
    choose(given, folder.as_deref())
}

fn choose(given: Option<&Path>, folder: Option<&Path>) -> PathBuf {
    let beside = || folder.map(|folder| folder.join("python3")).filter(|path| path.exists());
    given.map(Path::to_owned).or_else(beside).unwrap_or_else(|| PathBuf::from("python3"))
}

/// What is said when Python can't be run.
pub(crate) fn cannot_run(python: &Path, error: &std::io::Error) -> String {
    format!(
        "cannot run {}: {error}\nhint: pass the Python that raskal is installed in with --python, or put it on the PATH",
        python.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_beside_the_command_comes_before_the_one_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(choose(None, Some(folder.path())), Path::new("python3"));
        std::fs::write(folder.path().join("python3"), "").unwrap();
        assert_eq!(choose(None, Some(folder.path())), folder.path().join("python3"));
        assert_eq!(choose(Some(Path::new("/x/python")), Some(folder.path())), Path::new("/x/python"));
    }
}
