//! Whole messages with their events, listed by what the dialects ask for.

use super::*;
use crate::domain::api_request::ApiRequestFilter;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{EmailFilter, RollupScope, StatusSet, TimeRange};
use crate::domain::ids::{ApiKeyId, ApiRequestId, EmailId, lowest_id_at};
use crate::domain::page::{Cursor, OffsetRequest, PartialPage, Total};
use crate::domain::stats::StatusCounts;
use crate::domain::team::Role;
use crate::server::store::emails::NewEmail;

on_both_databases! {
    async fn messages_are_found_in_the_order_that_was_asked_for(app: TestApp) {
        let ids = app.add_messages(&[Message::default(), Message::default(), Message::default()]).await;
        let other = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let wanted = [ids[2].0, other.0, ids[0].0, 7];
        let found: Vec<EmailId> =
            app.store().find_emails(app.team, &wanted).await.unwrap().into_iter().map(|email| email.id).collect();
        assert_eq!(found, [ids[2], ids[0]]);
        assert_eq!(app.store().find_emails(app.team, &[]).await, Ok(Vec::new()));
    }

    async fn a_window_counts_from_either_end(app: TestApp) {
        let messages: Vec<Message> = (0..7)
            .map(|minute| Message { at: at("2024-01-20T10:00:00Z") + chrono::TimeDelta::minutes(minute), ..Message::default() })
            .collect();
        let ids = app.add_messages(&messages).await;
        let list = async |offset, limit, oldest_first| {
            let window = OffsetRequest { offset, limit, oldest_first };
            let listed = app.store().list_whole_emails(app.team, &EmailFilter::default(), window).await.unwrap();
            assert_eq!(listed.total, Total::Exact(7));
            listed.items.into_iter().map(|email| email.id).collect::<Vec<_>>()
        };
        assert_eq!(list(1, 2, false).await, [ids[5], ids[4]]);
        assert_eq!(list(1, 2, true).await, [ids[1], ids[2]]);
        assert_eq!(list(6, 5, true).await, [ids[6]]);
        assert!(list(7, 5, false).await.is_empty());
    }

    async fn a_walk_by_cursor_goes_both_ways_without_repeat_or_gap(app: TestApp) {
        // Several in a millisecond, and every third one bounced.
        let messages: Vec<Message> = (0..20)
            .map(|index| Message {
                at: at("2024-01-20T10:00:00Z") + chrono::TimeDelta::milliseconds(index / 4),
                ..Message::with_status(if index % 3 == 0 { EmailStatus::Bounced } else { EmailStatus::Delivered })
            })
            .collect();
        let mut ids = app.add_messages(&messages).await;
        let bounced: Vec<EmailId> = ids.iter().copied().step_by(3).collect();
        app.add_messages_of(app.other_team, &[Message::default()]).await;
        let list = async |filter: &EmailFilter, cursor, limit| {
            let listed = app.store().list_emails_at(app.team, filter, cursor, limit).await.unwrap();
            (listed.items.into_iter().map(|email| email.id).collect::<Vec<_>>(), listed.has_more)
        };
        let only_bounced = EmailFilter { statuses: StatusSet::one(EmailStatus::Bounced), ..EmailFilter::default() };
        for (filter, mut expected) in [(EmailFilter::default(), ids.clone()), (only_bounced, bounced)] {
            expected.sort_by_key(|id| std::cmp::Reverse(*id));
            let (mut found, mut cursor) = (Vec::<EmailId>::new(), Cursor::Newest);
            loop {
                let (page, has_more) = list(&filter, cursor, 3).await;
                assert_eq!(has_more, found.len() + page.len() < expected.len());
                found.extend(&page);
                let Some(last) = page.last().filter(|_| has_more) else { break };
                cursor = Cursor::After(*last);
            }
            assert_eq!(found, expected);
            let (mut back, mut first) = (Vec::<EmailId>::new(), *expected.last().unwrap());
            loop {
                let (page, has_more) = list(&filter, Cursor::Before(first), 3).await;
                assert_eq!(has_more, back.len() + page.len() < expected.len() - 1);
                back.splice(0..0, page.iter().copied());
                let Some(next) = page.first().filter(|_| has_more) else { break };
                first = *next;
            }
            assert_eq!(back, expected[..expected.len() - 1]);
        }
        ids.sort();
        assert_eq!(list(&EmailFilter::default(), Cursor::After(ids[0]), 3).await, (Vec::new(), false));
        assert_eq!(list(&EmailFilter::default(), Cursor::Before(ids[19]), 3).await, (Vec::new(), false));
    }

    async fn a_request_knows_the_messages_it_made(app: TestApp) {
        let request = app.id_at(app.now());
        let of = |api_request_id| NewEmail { api_request_id, ..super::outbox::new_email(&app, app.now()) };
        let emails = [of(Some(request)), of(Some(request)), of(None)];
        for email in &emails {
            app.store().insert_email(app.team, email).await.unwrap();
        }
        app.store().insert_email(app.other_team, &of(Some(request))).await.unwrap();
        let found = app.store().list_emails_of_request(app.team, request).await.unwrap();
        assert_eq!(found.iter().map(|email| email.id).collect::<Vec<_>>(), [emails[0].id, emails[1].id]);
        assert!(app.store().list_emails_of_request(app.team, app.id_at(app.now())).await.unwrap().is_empty());
    }

    async fn a_filter_of_requests_looks_at_so_many_and_goes_on_behind_them(app: TestApp) {
        // The oldest request deleted something; all others, more than are looked at, read.
        let (team, newest) = (app.team.0, lowest_id_at(app.now()));
        let many = format!(
            "INSERT INTO api_requests (team_id, id, api_key_id, method, endpoint, response_status, duration_ms, at)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 50010)
             SELECT {team}, {newest} - CAST(n AS BIGINT) * 1048576, 5, CASE n WHEN 50010 THEN 'DELETE' ELSE 'GET' END,
                 '/api/logs', 200, 1, 0 FROM numbers"
        );
        app.store().try_statement(&many).await.unwrap();
        let place = |number: i64| ApiRequestId(newest - number * 1_048_576);
        let list = async |filter: &ApiRequestFilter, cursor| {
            let PartialPage { items, next } = app.store().list_api_requests(app.team, filter, cursor, 10).await.unwrap();
            (items.into_iter().map(|row| row.id).collect::<Vec<_>>(), next)
        };
        let any = ApiRequestFilter::default();
        let deleting = ApiRequestFilter { method: Some("DELETE".to_owned()), ..any.clone() };
        let of_key = ApiRequestFilter { api_key_id: Some(ApiKeyId(5)), ..deleting.clone() };
        for filter in [&deleting, &of_key] {
            assert_eq!(list(filter, Cursor::Newest).await, (Vec::new(), Some(place(49_999))), "{filter:?}");
            assert_eq!(list(filter, Cursor::After(place(49_999))).await, (vec![place(50_010)], None), "{filter:?}");
            assert_eq!(list(filter, Cursor::Before(place(50_010))).await, (Vec::new(), Some(place(10))), "{filter:?}");
            assert_eq!(list(filter, Cursor::Before(place(10))).await, (Vec::new(), None), "{filter:?}");
        }
        for other in [
            ApiRequestFilter { status_class: Some(5), ..any.clone() },
            ApiRequestFilter { endpoint: Some("/emails".to_owned()), ..any.clone() },
            ApiRequestFilter { user_agent: Some("curl".to_owned()), ..any.clone() },
        ] {
            assert_eq!(list(&other, Cursor::Newest).await, (Vec::new(), Some(place(49_999))), "{other:?}");
        }
        assert_eq!(list(&any, Cursor::Newest).await.1, Some(place(9)));
        let owner = app.sign_in(Role::Owner).await;
        let page = owner.with("accept", "text/html").get("/requests?method=DELETE").await.text;
        assert!(page.contains("Nothing found so far") && page.contains("Looked no further than"), "{page}");
        let older = format!("/requests?method=DELETE&amp;after={}", place(49_999));
        assert!(page.contains(&older) || page.contains(&older.replace("&amp;", "&")), "{page}");
        let page = owner.with("accept", "text/html").get(&older.replace("&amp;", "&")).await.text;
        assert!(page.contains(&format!("/requests/{}", place(50_010))) && !page.contains("Looked no further"), "{page}");
    }

    async fn events_of_several_messages_are_told_apart(app: TestApp) {
        let ids = app
            .add_messages(&[Message::with_status(EmailStatus::Bounced), Message::with_status(EmailStatus::Queued)])
            .await;
        let other = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let found = app.store().list_events_of(app.team, &[ids[0], ids[1], other]).await.unwrap();
        for id in &ids {
            assert_eq!(found[id], app.store().list_events(app.team, *id).await.unwrap());
        }
        assert_eq!(found.len(), 2);
    }

    async fn a_channel_is_counted_by_itself(app: TestApp) {
        let store = app.store();
        let email = super::outbox::new_email(&app, app.now());
        let text = NewEmail {
            channel: Channel::Sms,
            adapter_id: None,
            external_user_id: Some("ada".to_owned()),
            scheduled_at: Some(app.now() + chrono::TimeDelta::hours(1)),
            headers: vec![("X-Order".to_owned(), "7".to_owned())],
            ..super::outbox::new_email(&app, app.now())
        };
        store.insert_email(app.team, &email).await.unwrap();
        store.insert_email(app.team, &text).await.unwrap();
        let count = async |channel| {
            let counts = store.count_by_status(app.team, RollupScope::Channel(channel), TimeRange::default()).await.unwrap();
            let filter = EmailFilter { channel: Some(channel), ..EmailFilter::default() };
            let window = OffsetRequest { offset: 0, limit: 10, oldest_first: false };
            let listed = store.list_whole_emails(app.team, &filter, window).await.unwrap();
            assert_eq!(listed.total, Total::Exact(counts.in_set(Default::default())));
            listed.items
        };
        assert_eq!(count(Channel::Email).await[0].id, email.id);
        let found = &count(Channel::Sms).await[0];
        assert_eq!((found.id, found.waits_for_adapter, found.next_attempt_at), (text.id, true, None));
        assert_eq!((found.scheduled_at, found.external_user_id.as_deref()), (text.scheduled_at, Some("ada")));
        assert!(count(Channel::Call).await.is_empty());
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let content = store.find_email_content(app.team, text.id).await.unwrap().unwrap();
        assert_eq!(content.headers, text.headers);
        let both = store.count_by_status(app.team, None, TimeRange::default()).await.unwrap();
        assert_ne!(both, StatusCounts::default());
    }
}
