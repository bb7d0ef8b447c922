//! Reports that a mail server delivers to a maildir: each file in its folder `new` is read, and moved to `cur` once what it says is
//! kept. A file that was read and not moved is read again, which changes nothing. Run by the command line beside the web server.
//! Source: D. J. Bernstein, "Using maildir format" (the folders, and the flags behind `:2,`).

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::bounce::{MAX_MAIL_BYTES, Outcome, receive};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::services::bounces::Recorded;

/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_secs(5);
/// How many files one look takes.
const FILES: usize = 500;
/// How many files are remembered that cannot be read or moved.
const STUCK: usize = 10_000;

/// The flags of a file that was read, and of one that could not be: flagged, and not seen.
const SEEN: &str = "S";
const ODD: &str = "F";

/// Takes what is delivered until `stop` says so.
pub async fn run(app: App, maildir: PathBuf, mut stop: watch::Receiver<bool>) {
    let mut watcher = Watcher::new(maildir);
    loop {
        let pause = if watcher.look(&app).await == Some(FILES) { Duration::ZERO } else { PAUSE };
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// A maildir that is looked at.
pub struct Watcher {
    maildir: PathBuf,
    /// Files that were said to be unreadable or cannot be moved.
    stuck: HashSet<PathBuf>,
    /// Whether it was said that the folder cannot be read.
    has_complained: bool,
}

/// What stands in a file.
enum Mail {
    Whole(Vec<u8>),
    TooLarge,
    /// A folder, a link, a pipe.
    NoFile,
}

impl Watcher {
    /// Nothing was looked at yet.
    pub fn new(maildir: PathBuf) -> Self {
        Self { maildir, stuck: HashSet::new(), has_complained: false }
    }

    /// Takes what is there now, at most 500 files; how many there were. `None` where the folder cannot be read or the database is
    /// busy: the log says so, and what is left is taken another time.
    pub async fn look(&mut self, app: &App) -> Option<usize> {
        let new = self.maildir.join("new");
        let stuck = self.stuck.clone();
        let files = match apart(move || files_in(&new, &stuck)).await {
            Ok(files) => files,
            Err(cause) => {
                if !self.has_complained {
                    warn!(%cause, "cannot read the maildir for bounces");
                }
                self.has_complained = true;
                return None;
            }
        };
        self.has_complained = false;
        let mut recorded = 0;
        for file in &files {
            match self.take(app, file).await {
                Ok(new) => recorded += new,
                Err(cause) => {
                    warn!(%cause, "cannot keep what a bounce says: it is read again");
                    return None;
                }
            }
        }
        if !files.is_empty() {
            info!(files = files.len(), recorded, "read the maildir for bounces");
        }
        Some(files.len())
    }

    /// Takes one file; how many events it came to.
    async fn take(&mut self, app: &App, file: &Path) -> Result<usize, AppError> {
        let path = file.to_owned();
        let (flags, recorded) = match apart(move || read(&path)).await {
            Ok(Mail::Whole(raw)) => match receive(app, Bytes::from(raw), None).await? {
                Outcome::Recorded(Recorded::Taken { new, .. }) => (SEEN, new),
                Outcome::Recorded(Recorded::UnknownMessage | Recorded::OtherRecipients(_))
                | Outcome::NoReport
                | Outcome::NoMessage => (SEEN, 0),
            },
            Ok(Mail::TooLarge) => {
                warn!("a file in the maildir for bounces is too large to be read");
                (ODD, 0)
            }
            Ok(Mail::NoFile) => {
                self.give_up(file);
                return Ok(0);
            }
            // Somebody else took it.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(cause) => {
                warn!(%cause, "a file in the maildir for bounces cannot be read");
                self.give_up(file);
                return Ok(0);
            }
        };
        let (from, to) = (file.to_owned(), self.place_of(file, flags));
        let moved = apart(move || fs::rename(from, to)).await;
        if let Err(cause) = moved
            && cause.kind() != io::ErrorKind::NotFound
        {
            warn!(%cause, "cannot move a file of the maildir for bounces");
            self.give_up(file);
        }
        Ok(recorded)
    }

    fn place_of(&self, file: &Path, flags: &str) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split_once(":2,").map_or(name.as_ref(), |(name, _)| name);
        self.maildir.join("cur").join(format!("{name}:2,{flags}"))
    }

    fn give_up(&mut self, file: &Path) {
        if self.stuck.len() < STUCK {
            self.stuck.insert(file.to_owned());
        }
    }
}

/// The files of a folder in the order of their names, which begin with a time; none that begins with a dot.
fn files_in(folder: &Path, without: &HashSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && !without.contains(&path) {
            files.push(path);
        }
        // A folder with more is looked at again.
        if files.len() >= FILES {
            break;
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> io::Result<Mail> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(Mail::NoFile);
    }
    let mut raw = Vec::new();
    fs::File::open(path)?.take(MAX_MAIL_BYTES as u64 + 1).read_to_end(&mut raw)?;
    Ok(if raw.len() > MAX_MAIL_BYTES { Mail::TooLarge } else { Mail::Whole(raw) })
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| Err(io::Error::other(cause)))
}
