//! What is kept of forms that came too late: one draft a person, for one browser, for its time.

use chrono::TimeDelta;

use super::*;
use crate::domain::ids::UserId;
use crate::domain::team::Role;
use crate::server::store::drafts::StoredDraft;

fn draft(app: &TestApp, browser: &str, sealed: &str) -> StoredDraft {
    let expires_at = app.now() + TimeDelta::hours(1);
    StoredDraft { browser_hash: browser.to_owned(), sealed: sealed.to_owned(), expires_at }
}

on_both_databases! {
    async fn the_newest_draft_of_a_person_waits_in_its_browser_for_its_time(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let (ada, other) = (app.user(app.team, Role::Admin).await, app.user(app.team, Role::Viewer).await);
        assert_eq!(store.keep_draft(ada, &draft(&app, "desk", "first")).await, Ok(true));
        assert_eq!(store.keep_draft(ada, &draft(&app, "desk", "second")).await, Ok(true));
        assert_eq!(store.every_row().await["drafts"].len(), 1);
        assert_eq!(store.find_draft(ada, "desk", now).await, Ok(Some("second".to_owned())));
        assert_eq!(store.find_draft(ada, "phone", now).await, Ok(None));
        assert_eq!(store.find_draft(other, "desk", now).await, Ok(None));
        assert_eq!(store.find_draft(ada, "desk", now + TimeDelta::hours(1)).await, Ok(None));
    }

    async fn a_draft_is_deleted_once_and_as_it_was_found(app: TestApp) {
        let (store, ada) = (app.store(), app.user(app.team, Role::Admin).await);
        store.keep_draft(ada, &draft(&app, "desk", "second")).await.unwrap();
        assert_eq!(store.delete_draft(ada, "first").await, Ok(false));
        assert_eq!(store.delete_draft(app.user(app.team, Role::Viewer).await, "second").await, Ok(false));
        assert_eq!(store.delete_draft(ada, "second").await, Ok(true));
        assert_eq!(store.delete_draft(ada, "second").await, Ok(false));
    }

    async fn nothing_is_kept_for_who_is_gone_or_in_no_team(app: TestApp) {
        let (store, stranger) = (app.store(), app.add_user("stranger@example.com").await);
        let owner = app.user(app.other_team, Role::Owner).await;
        for user in [UserId(7), stranger] {
            assert_eq!(store.keep_draft(user, &draft(&app, "desk", "text")).await, Ok(false));
        }
        store.delete_team(app.other_team, app.now(), &app.event()).await.unwrap();
        assert_eq!(store.keep_draft(owner, &draft(&app, "desk", "text")).await, Ok(false));
        assert!(store.every_row().await["drafts"].is_empty());
    }

    async fn expired_drafts_go(app: TestApp) {
        let (store, end) = (app.store(), app.now() + TimeDelta::hours(1));
        store.keep_draft(app.user(app.team, Role::Admin).await, &draft(&app, "desk", "text")).await.unwrap();
        assert_eq!(store.delete_expired_drafts(end - TimeDelta::microseconds(1)).await, Ok(false));
        assert_eq!(store.delete_expired_drafts(end).await, Ok(true));
        assert_eq!(store.delete_expired_drafts(end).await, Ok(false));
        assert!(store.every_row().await["drafts"].is_empty());
    }
}
