//! Makes the documentation's site: `sendlog-mdbook FOLDER OUT_FOLDER` reads `book.toml`, `src/` and `theme/` of the folder. Called
//! by scripts/docs.sh; mdBook's own program does the same, but watches and serves too, and is built in minutes.
//! Source: mdBook, crates/mdbook-driver.

use std::path::Path;

use anyhow::{Context, Result};
use mdbook_driver::MDBook;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (folder, output) = arguments.next().zip(arguments.next()).context("usage: sendlog-mdbook FOLDER OUT_FOLDER")?;
    let mut book = MDBook::load(Path::new(&folder))?;
    book.config.build.build_dir = std::path::absolute(output)?;
    book.build()
}
