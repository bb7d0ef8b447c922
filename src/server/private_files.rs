//! Files that nobody but this program's user may read: the database, its log and the secret key.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use tracing::warn;

/// Makes a folder, and those above it, for this user alone. One that is there stays as it is.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes an empty file for this user alone, unless there is one; that one is [tighten]ed.
pub fn create_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            tighten(path);
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Takes others' rights to a file away. A file of somebody else stays as it is, which is logged.
pub fn tighten(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let Ok(metadata) = fs::metadata(path) else { return };
        if !metadata.is_file() || metadata.permissions().mode() & 0o077 == 0 {
            return;
        }
        if let Err(cause) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
            warn!(%cause, file = %path.display(), "others may read this file");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}
