//! Makes the browser's module out of what the compiler leaves: `sendlog-bindgen IN.wasm OUT_FOLDER` writes `sendlog.js`
//! and `sendlog_bg.wasm`. Called by scripts/front.sh; wasm-bindgen's own program does the same, but is built in minutes.
//! Source: wasm-bindgen, crates/cli-support.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (input, folder) =
        arguments.next().zip(arguments.next()).context("usage: sendlog-bindgen IN.wasm OUT_FOLDER")?;
    Bindgen::new()
        .input_path(input)
        .out_name("sendlog")
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .generate(folder)
}
