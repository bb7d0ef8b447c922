//! Sendlog: the log of every message a team sends. This library is built twice, for the server (`ssr`) and for the
//! browser (`hydrate`); `main.rs` is the command line over the server's half.

pub mod app;
pub mod components;
pub mod domain;
pub mod pages;
#[cfg(feature = "ssr")]
pub mod server;
pub mod server_fns;

/// Makes the islands ready. The script of the page, in [app], then brings each to life.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_islands();
}
