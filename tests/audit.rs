//! `sendlog admin verify-audit`, run as the real program over a SQLite file.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;

use std::process::Output;

use program::{Folder, TEAM, command, set_up};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

fn verify(folder: &Folder, arguments: &[&str]) -> Output {
    command(folder).args(["admin", "verify-audit"]).args(arguments).output().unwrap()
}

fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[tokio::test]
async fn a_line_that_was_changed_or_cut_off_shows() {
    let folder = Folder::new("audit");
    set_up(&folder, "smtp://127.0.0.1:2525");
    let intact = verify(&folder, &["--json"]);
    assert_eq!(intact.status.code(), Some(0), "{intact:?}");
    let log = said(&intact)["teams"][0].clone();
    assert_eq!((log["team"].as_str(), log["intact"].as_bool()), (Some(TEAM), Some(true)));
    let (lines, head) = (log["lines"].as_i64().unwrap(), log["head"].as_str().unwrap().to_owned());
    assert!(lines >= 4, "{log}");
    let plain = String::from_utf8(verify(&folder, &["--team", TEAM]).stdout).unwrap();
    assert_eq!(plain.trim(), format!("{TEAM}: {lines} lines, intact, head {head}"));

    // A head that was seen before is still there after more was written.
    program::create_key(&folder, "logs:view");
    let expected = format!("{TEAM}={head}");
    assert_eq!(verify(&folder, &["--expect", &expected]).status.code(), Some(0));
    let unknown = verify(&folder, &["--expect", &format!("{TEAM}={}", "0".repeat(64)), "--json"]);
    assert_eq!((unknown.status.code(), said(&unknown)["intact"].as_bool()), (Some(1), Some(false)));
    assert_eq!(verify(&folder, &["--expect", "nonsense"]).status.code(), Some(2));

    let url = format!("sqlite://{}", folder.database().display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let refused = sqlx::query("UPDATE audit_log SET actor_name = 'x'").execute(&mut database).await;
    assert!(refused.is_err(), "the database itself keeps the lines");
    for statement in [
        "DROP TRIGGER audit_log_keeps_texts",
        "DROP TRIGGER audit_log_keeps_rows",
        "UPDATE audit_log SET actor_name = 'Somebody else' WHERE sequence = 2",
    ] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    let changed = verify(&folder, &["--json"]);
    assert_eq!(changed.status.code(), Some(1), "{changed:?}");
    assert_eq!(said(&changed)["teams"][0]["firstBrokenLine"], 2);

    sqlx::query("DELETE FROM audit_log WHERE sequence >= 2").execute(&mut database).await.unwrap();
    let cut = verify(&folder, &[]);
    assert_eq!(cut.status.code(), Some(1));
    let text = String::from_utf8(cut.stdout).unwrap();
    assert_eq!(text.trim(), format!("{TEAM}: broken, line 2 is missing or was changed"));
}

#[test]
fn a_key_is_made_with_its_limits() {
    let folder = Folder::new("audit-key");
    set_up(&folder, "smtp://127.0.0.1:2525");
    let make = |arguments: &[&str]| {
        let usual = ["admin", "create-key", "--team", TEAM, "--name", "limited", "--scope", "logs:view"];
        command(&folder).args(usual).args(arguments).output().unwrap()
    };
    let made = make(&["--expires-in-days", "30", "--api", "resend", "--api", "sendlog", "--rate-limit", "5"]);
    assert!(made.status.success() && made.stdout.starts_with(b"sl_"), "{made:?}");
    for wrong in [["--expires-in-days", "0"], ["--api", "mandrill"], ["--rate-limit", "0"]] {
        assert_eq!(make(&wrong).status.code(), Some(2), "{wrong:?}");
    }
}
