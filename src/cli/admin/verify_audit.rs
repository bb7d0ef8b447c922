//! `sendlog admin verify-audit`

use std::process::ExitCode;

use sendlog::server::App;
use sendlog::server::services::audit::{self, CheckedLog};
use sendlog::server::store::audit::AuditVerdict;
use serde_json::json;

use crate::cli::{Failure, find_team, print_line};

/// Checks the audit logs and says of each what was found. The exit status is 1 when one is not what was written, or lacks
/// a line that it had.
pub async fn verify_audit(
    app: &App,
    team: Option<&str>,
    expected: &[(String, String)],
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let only = match team {
        Some(slug) => Some(find_team(app, slug).await?),
        None => None,
    };
    let (mut is_right, mut objects) = (true, Vec::new());
    let logs = audit::verify_logs(app, only).await?;
    for log in &logs {
        let name = log.slug.clone().unwrap_or_else(|| log.team.to_string());
        let object = match &log.verdict {
            AuditVerdict::Intact { entries, head } => {
                if !as_json {
                    print_line(format_args!("{name}: {entries} lines, intact, head {head}"))?;
                }
                json!({ "team": name, "id": log.team, "intact": true, "lines": entries, "head": head })
            }
            AuditVerdict::Broken { sequence } => {
                is_right = false;
                if !as_json {
                    print_line(format_args!("{name}: broken, line {sequence} is missing or was changed"))?;
                }
                json!({ "team": name, "id": log.team, "intact": false, "firstBrokenLine": sequence })
            }
        };
        objects.push(object);
    }
    let mut missing = Vec::new();
    for (name, hash) in expected {
        let is_it = |log: &&CheckedLog| log.slug.as_deref() == Some(name.as_str()) || log.team.to_string() == *name;
        let found = match logs.iter().find(is_it) {
            Some(log) => audit::find_hash(app, log.team, hash).await?,
            None => None,
        };
        if found.is_none() {
            is_right = false;
            missing.push(json!({ "team": name, "hash": hash }));
            if !as_json {
                print_line(format_args!("{name}: no line has the hash {hash}: lines were cut off or written anew"))?;
            }
        }
    }
    if as_json {
        print_line(json!({ "intact": is_right, "teams": objects, "missing": missing }))?;
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `TEAM=HASH`
pub fn parse_expected(text: &str) -> Result<(String, String), String> {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_once('=') {
        Some((team, hash)) if !team.is_empty() && is_hash(hash) => Ok((team.to_owned(), hash.to_owned())),
        _ => Err("write TEAM=HASH, the hash in 64 hexadecimal digits".to_owned()),
    }
}
