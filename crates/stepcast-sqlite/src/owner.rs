//! Who is alive: each instance locks a file beside the store, and the system lets go of it however the process ends.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use stepcast_core::backend::Holder;

use crate::error::io;
use crate::sql::Stored;

/// How often others may be in the way of one who enters.
const TRIES: usize = 1000;

/// The files of all owners of a store.
#[derive(Clone, Debug)]
pub(crate) struct Owners {
    folder: PathBuf,
}

/// This instance's own file, locked for as long as it lives.
#[derive(Debug)]
pub(crate) struct Alive {
    path: PathBuf,
    _locked: File,
}

impl Owners {
    pub(crate) fn beside(store: &Path) -> Self {
        let mut folder = store.as_os_str().to_owned();
        folder.push("-owners");
        Owners { folder: folder.into() }
    }

    fn file(&self, owner: i64) -> PathBuf {
        self.folder.join(owner.to_string())
    }

    /// Called before anybody else can know of `owner`.
    pub(crate) fn enter(&self, owner: i64) -> Stored<Alive> {
        let path = self.file(owner);
        let file = self.create(&path).map_err(io)?;
        file.lock().map_err(io)?;
        Ok(Alive { path, _locked: file })
    }

    /// The last one to leave removes the folder, perhaps just now.
    fn create(&self, path: &Path) -> std::io::Result<File> {
        let mut tries = 0;
        loop {
            let created = fs::create_dir_all(&self.folder).and_then(|()| File::create(path));
            tries += 1;
            // The folder was there, and is not any more; or it has yet to be made.
            let is_gone =
                |error: &std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists);
            match created {
                Err(error) if is_gone(&error) && tries < TRIES => {}
                result => return result,
            }
        }
    }

    /// Whether an owner is there. In doubt it is: a run must not be held twice.
    pub(crate) fn is_alive(&self, owner: i64) -> bool {
        match File::open(self.file(owner)) {
            // Shared, so that two who ask at a time do not take each other for the owner.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => false,
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
            },
            Err(error) => error.kind() != ErrorKind::NotFound,
        }
    }

    /// Removes what a dead owner left.
    pub(crate) fn bury(&self, owner: i64) {
        // A file that stays is a nuisance, not an error: its number is never given again.
        let _ = fs::remove_file(self.file(owner));
    }
}

/// Who asks, and who else is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) me: i64,
    pub(crate) owners: &'a Owners,
}

impl Who<'_> {
    /// Who holds a run, as far as whoever asks is concerned: an owner that is gone holds nothing.
    pub(crate) fn holds(self, holder: Option<i64>) -> Holder {
        match holder {
            Some(holder) if holder == self.me => Holder::Me,
            Some(holder) if self.owners.is_alive(holder) => Holder::Other,
            _ => Holder::Nobody,
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            // Fails while others are there.
            let _ = fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn one_enters_while_the_last_one_leaves() {
        let name = format!("owners-{}", std::process::id());
        let owners = Owners::beside(&std::env::temp_dir().join(name));
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let owners = &owners;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        drop(owners.enter(2 * n + thread).expect("it enters"));
                    }
                });
            }
        });
    }
}
