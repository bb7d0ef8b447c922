//! Callers who want the same name, or the same place, at the same moment: one gets it, the others hear why not.

use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::domain::adapter::Adapter;
use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::tests::on_both_databases_in_parallel;

const CALLERS: usize = 8;

/// Sends all requests at once.
async fn at_once(client: &Client, requests: Vec<(&'static str, String, Value)>) -> Vec<Answer> {
    let mut callers = JoinSet::new();
    for (method, path, body) in requests {
        let client = client.clone();
        callers.spawn(async move { client.send(method, &path, Some(body.to_string())).await });
    }
    callers.join_all().await
}

/// Passes when one got what it asked for, and all others hear that the name is taken.
#[track_caller]
fn assert_one_of(answers: &[Answer], words: &str) {
    let (done, refused): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status < 300);
    assert_eq!(done.len(), 1, "{answers:?}");
    for answer in refused {
        answer.assert_error(409, "ALREADY_EXISTS", words);
    }
}

fn adapter(name: &str, is_default: bool) -> Value {
    json!({"name": name, "type": "smtp", "url": "smtp://127.0.0.1:2525", "from": "a@b.example", "isDefault": is_default})
}

async fn adapters(app: &TestApp) -> Vec<Adapter> {
    app.store().list_adapters(app.team).await.unwrap()
}

on_both_databases_in_parallel! {
    async fn of_templates_that_want_one_name_one_gets_it(app: TestApp) {
        let program = app.program(&[Permission::TemplatesView, Permission::TemplatesCreate, Permission::TemplatesUpdate]).await;
        let mut renames = Vec::new();
        for number in 0..CALLERS {
            let template = app.add_template(&format!("Receipt {number}")).await;
            renames.push(("PUT", format!("/api/templates/{}", template.id), json!({"name": "Same"})));
        }
        assert_one_of(&at_once(&program, renames).await, "A template named “Same” exists already");
        let new = json!({"name": "Fresh", "subject": "s", "text": "t"});
        let creates = vec![("POST", "/api/templates".to_owned(), new); CALLERS];
        assert_one_of(&at_once(&program, creates).await, "A template named “Fresh” exists already");
        // Versions that are made at once are numbered in a row.
        let template = app.add_template("Often").await;
        let change = |number: usize| json!({"subject": format!("Subject {number}")});
        let changes = (0..CALLERS).map(|number| ("PUT", format!("/api/templates/{}", template.id), change(number)));
        let answers = at_once(&program, changes.collect()).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let versions = app.store().list_template_versions(app.team, template.id).await.unwrap();
        assert_eq!(versions.len(), CALLERS + 1);
    }

    async fn of_adapters_that_want_one_name_one_gets_it(app: TestApp) {
        let program = app.program(&[Permission::AdaptersCreate, Permission::AdaptersUpdate]).await;
        let creates = vec![("POST", "/api/adapters".to_owned(), adapter("Same", true)); CALLERS];
        assert_one_of(&at_once(&program, creates).await, "An adapter named “Same” exists already");
        let creates = (0..CALLERS).map(|number| ("POST", "/api/adapters".to_owned(), adapter(&format!("Mail {number}"), true)));
        let answers = at_once(&program, creates.collect()).await;
        assert!(answers.iter().all(|answer| answer.status < 300), "none of these names is taken: {answers:?}");
        let present = adapters(&app).await;
        assert_eq!((present.len(), present.iter().filter(|adapter| adapter.is_default).count()), (CALLERS + 1, 1));
        let renames = present.iter().skip(1).map(|adapter| ("PUT", format!("/api/adapters/{}", adapter.id), json!({"name": "Other"})));
        assert_one_of(&at_once(&program, renames.collect()).await, "An adapter named “Other” exists already");
    }

    async fn one_adapter_is_the_default_whoever_changes_what_at_once(app: TestApp) {
        let program = app.program(&[Permission::AdaptersUpdate]).await;
        for number in 0..CALLERS {
            app.add_adapter(&format!("Mail {number}")).await;
        }
        let requests = adapters(&app).await.into_iter().flat_map(|adapter| {
            let path = format!("/api/adapters/{}", adapter.id);
            [json!({"isDefault": true}), json!({"name": format!("{} renamed", adapter.name)})].map(|body| ("PUT", path.clone(), body))
        });
        let answers = at_once(&program, requests.collect()).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let present = adapters(&app).await;
        assert_eq!(present.iter().filter(|adapter| adapter.is_default).count(), 1, "{present:?}");
        assert!(present.iter().all(|adapter| adapter.name.ends_with(" renamed")), "{present:?}");
    }
}

on_both_databases! {
    async fn a_broken_constraint_is_told_alike_by_both_engines(app: TestApp) {
        app.add_adapter("Mail").await;
        app.add_adapter("Other").await;
        app.add_template("Receipt").await;
        app.add_template("Reminder").await;
        let owner = app.user(app.team, Role::Owner).await.0;
        app.user(app.team, Role::Admin).await;
        let team = app.team.0;
        let exists = |words: &str| AppError::AlreadyExists(words.to_owned());
        for (statement, refusal) in [
            ("UPDATE adapters SET name = 'Mail'".to_owned(), exists("An adapter of this name exists already")),
            (
                "UPDATE adapters SET is_default = TRUE".to_owned(),
                AppError::Conflict("Another adapter became the default at the same time. Look again and save once more".to_owned()),
            ),
            ("UPDATE templates SET name = 'Receipt'".to_owned(), exists("A template of this name exists already")),
            ("UPDATE users SET email_key = 'a@b.example'".to_owned(), exists("An account with this address exists already")),
            ("UPDATE teams SET slug = 'same'".to_owned(), exists("A team of this short name exists already")),
            (format!("UPDATE memberships SET user_id = {owner} WHERE team_id = {team}"), exists("This person is a member already")),
            (
                format!("INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ({team}, 7, 'owner', 0)"),
                AppError::Conflict("What this belongs to was deleted in the meantime".to_owned()),
            ),
        ] {
            let broken = app.store().try_statement(&statement).await.unwrap_err();
            assert_eq!(AppError::from(broken), refusal, "{statement}");
        }
    }
}
