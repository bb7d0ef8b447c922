//! The restore drill: the real program is backed up while it takes messages, killed, and restored in another place, where
//! everything that was acknowledged before the backup began is there and goes out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

mod program;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use program::{Folder, Server, command, create_template, post, set_up};
use sendlog::server::demo::sink::Sink;
use serde_json::json;

const BEFORE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_is_there_after_a_restore() {
    let folder = Folder::new("backup");
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let key = set_up(&folder, &sink.url());
    // Nothing is sent here, so that all of it waits in the backup too.
    let mut server = Server::start(&folder, &["--only", "web"]);
    let template = create_template(server.addr, &key, "Message {{ index }}").await;
    let addr = server.addr;
    let send = async |index: usize| {
        let body = json!({ "templateId": template, "to": "reader@example.com", "variables": { "index": index } });
        let answer = post(addr, &key, "/api/v1/send", body).await;
        assert_eq!(answer["data"]["status"], "queued", "{answer}");
    };
    for index in 0..BEFORE {
        send(index).await;
    }
    let file = folder.database().with_extension("backup");
    let backup = {
        let mut backup = command(&folder);
        backup.arg("backup").arg(&file);
        tokio::task::spawn_blocking(move || backup.output().unwrap())
    };
    let mut index = BEFORE;
    while !backup.is_finished() {
        send(index).await;
        index += 1;
    }
    let said = text(&backup.await.unwrap());
    assert!(said.contains("checked") && said.contains("sendlog.key"), "{said}");
    server.kill();

    let other = Folder::new("restored");
    let database = other.database();
    let said = text(&run(&other, &["restore", &file.display().to_string()]));
    assert!(said.contains("wait to be sent") && said.contains("sendlog.key"), "{said}");
    // The key of that time, without which the adapter's log-in is lost.
    std::fs::copy(folder.database().with_extension("key"), database.with_extension("key")).unwrap();
    let said = text(&run(&other, &["check"]));
    assert!(!said.contains("WRONG"), "{said}");
    let said = text(&run(&other, &["doctor"]));
    assert!(said.contains("its server lets it in"), "{said}");
    let again = run(&other, &["restore", &file.display().to_string()]);
    assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stderr));

    let _server = Server::start(&other, &[]);
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while sink.messages().len() < BEFORE && std::time::Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let arrived = sink.messages();
    for index in 0..BEFORE {
        let subject = format!("Subject: Message {index}\r\n");
        let has_it = |raw: &[u8]| String::from_utf8_lossy(raw).contains(&subject);
        let copies = arrived.iter().filter(|message| has_it(&message.raw)).count();
        assert_eq!(copies, 1, "message {index}");
    }
}

#[test]
fn commands_that_find_no_database_say_so_and_make_none() {
    let folder = Folder::new("backup-of-nothing");
    let file = folder.database().with_extension("backup");
    for arguments in [vec!["backup", file.to_str().unwrap()], vec!["check"]] {
        let output = run(&folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
        assert!(!folder.database().exists(), "{arguments:?} made a database");
    }
    assert!(!Path::new(&file).exists());
}

fn run(folder: &Folder, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}
