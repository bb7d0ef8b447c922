//! A small disk that can be filled: a tmpfs in a mount namespace of its own, which ends with the process that holds it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program::Folder;

/// Its size in MiB: what a new database and its log need, and what is accepted and logged in each round.
const SIZE_MIB: u32 = 24;
const SIZE_OF_A_ROUND_MIB: u32 = 2;

/// The file that fills it.
const FILLER: &str = "filler";

/// A mounted disk. It goes with its value.
pub struct SmallDisk {
    folder: Folder,
    holder: Child,
    own_users: bool,
}

impl SmallDisk {
    /// Mounts one, large enough for so many rounds; `None` where neither root nor users may.
    pub fn mount(name: &str, rounds: u32) -> Option<Self> {
        let size = SIZE_MIB + SIZE_OF_A_ROUND_MIB * rounds;
        let folder = Folder::new(name);
        let path = folder.database().parent()?.to_owned();
        [false, true]
            .into_iter()
            .find_map(|own_users| {
                let flags = if own_users { "-Urm" } else { "-m" };
                let script =
                    format!("mount -t tmpfs -o size={size}m tmpfs '{}' && echo mounted && exec cat", path.display());
                let mut holder = Command::new("unshare")
                    .args([flags, "sh", "-c", &script])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .ok()?;
                let mut said = String::new();
                let _ = BufReader::new(holder.stdout.take()?).read_line(&mut said);
                if said.trim() == "mounted" {
                    return Some((holder, own_users));
                }
                let _ = holder.wait();
                None
            })
            .map(|(holder, own_users)| Self { folder, holder, own_users })
    }

    /// Where it is, for those who see it.
    pub fn path(&self) -> PathBuf {
        self.folder.database().parent().unwrap().to_owned()
    }

    /// The command that runs another where the disk is seen.
    pub fn enter(&self) -> Vec<String> {
        let mut command = vec!["nsenter".to_owned(), "-t".to_owned(), self.holder.id().to_string(), "-m".to_owned()];
        if self.own_users {
            command.extend(["-U".to_owned(), "--preserve-credentials".to_owned()]);
        }
        command
    }

    /// The disk's files as everybody can reach them.
    fn outside(&self) -> PathBuf {
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(self.path().strip_prefix("/").unwrap())
    }

    /// How many bytes its files have.
    pub fn used(&self) -> u64 {
        let files = std::fs::read_dir(self.outside()).unwrap();
        files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
    }

    /// Writes until nothing fits any more.
    pub fn fill(&self) {
        let mut filler = File::create(self.outside().join(FILLER)).unwrap();
        for size in [1 << 20, 4096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Gives the space back.
    pub fn empty(&self) {
        std::fs::remove_file(self.outside().join(FILLER)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
