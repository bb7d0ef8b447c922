//! Lists the files of `target/site` (scripts/site.sh) for the server to hold: `src/server/web/site.rs` includes the list.
//! Where they are not made yet, it holds none.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let files = if env::var_os("CARGO_FEATURE_SSR").is_some() { site_files()? } else { Vec::new() };
    let mut list = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default();
        list.push_str(&format!("({name:?}, include_bytes!({file:?})), "));
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(folder.join("site.rs"), format!("&[{list}]"))
}

fn site_files() -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("target/site");
    // A folder that is not there counts as changed in every build.
    fs::create_dir_all(&folder)?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    if files.is_empty() && env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!(
            "cargo::warning=target/site is empty, so this program has no scripts and styles: scripts/build.sh makes them"
        );
    }
    Ok(files)
}
