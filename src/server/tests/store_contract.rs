//! What the store promises, on both databases. Every public function of the store is called here; the first test holds
//! this file to it.

mod accounts;
mod adapters;
mod api_requests;
mod audit;
mod bodies;
mod copies;
mod criteria;
mod deletion;
mod drafts;
mod failures;
mod gauges;
mod history_imports;
mod holds;
mod ingest;
mod locks;
mod log;
mod log_pages;
mod masking;
mod notifications;
pub(super) mod outbox;
mod own_account;
mod persons;
mod provider_webhooks;
mod records;
mod resends;
mod retention;
mod roles;
mod search;
mod suppressions;
mod teams;
mod templates;
mod together;
mod tracking;
mod webhooks;

use std::path::{Path, PathBuf};

use super::{Message, TestApp, at, events_of, on_both_databases};

#[test]
fn every_function_of_the_store_is_called() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server");
    let sources_in = |folder: &str| -> Vec<String> {
        files_under(&root.join(folder)).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    };
    let contracts = sources_in("tests/store_contract");
    let mut functions = Vec::new();
    for source in sources_in("store") {
        let names = source.split("pub async fn ").skip(1);
        functions.extend(names.map(|rest| rest.split(['(', '<']).next().unwrap_or_default().to_owned()));
    }
    assert!(functions.len() > 60, "{functions:?}");
    functions.retain(|name| {
        let (method, associated) = (format!(".{name}("), format!("::{name}("));
        !contracts.iter().any(|contract| contract.contains(&method) || contract.contains(&associated))
    });
    assert!(functions.is_empty(), "no contract calls {functions:?}");
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}
