//! The demo as a whole, on a small scale.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::*;
use crate::domain::api_request::{ApiRequestFilter, ApiRequestSummary};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailDetail, EmailStatus};
use crate::domain::event::EventKind;
use crate::domain::filter::{EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::TeamId;
use crate::domain::masking::{Contents, Visibility};
use crate::domain::notification::NotificationState;
use crate::domain::page::{Cursor, PageRequest};
use crate::domain::stats::Stats;
use crate::server::clock::Clock;
use crate::server::config::Config;
use crate::server::secrets::SecretKey;
use crate::server::store::Store;

const MESSAGES: usize = 800;

/// A demo in a folder of its own, gone with it.
struct Demo {
    app: App,
    team: DemoTeam,
    folder: std::path::PathBuf,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-20T13:55:07Z".parse().unwrap()
}

async fn demo(name: &str, seed: u64, messages: usize) -> Demo {
    let folder = std::env::temp_dir().join(format!("sendlog-demo-test-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let store = Store::open(&format!("sqlite://{}/demo.db", folder.display())).await.unwrap();
    let config = Config { allow_private_adapters: true, ..Config::at(([127, 0, 0, 1], 0).into()) };
    let app = App::new(store, Clock::fixed(now()), config, SecretKey::generate());
    let options = DemoOptions { seed, messages, days: 30, now: now(), smtp_url: "smtp://127.0.0.1:2525".to_owned() };
    let team = fill(&app, &options).await.unwrap();
    Demo { app, team, folder }
}

impl Demo {
    async fn details(&self) -> Vec<EmailDetail> {
        let (store, team) = (&self.app.store, self.team.team.id);
        let mut details = Vec::new();
        for page in 1.. {
            let request = PageRequest { page, page_size: PageRequest::MAX_SIZE };
            let rows = store.list_emails(team, &EmailFilter::default(), request).await.unwrap();
            if rows.items.is_empty() {
                break;
            }
            for row in rows.items {
                details.push(EmailDetail {
                    email: store.find_email(team, row.id).await.unwrap().unwrap(),
                    content: store.find_email_content(team, row.id).await.unwrap().unwrap(),
                    events: store.list_events(team, row.id).await.unwrap(),
                    attempts: Vec::new(),
                    outcomes: Vec::new(),
                    visibility: Visibility { contents: Contents::All, masks_addresses: false },
                    reveal: None,
                    sent_copy: None,
                    resent_by: None,
                    copy: None,
                    changes: Default::default(),
                    failure: None,
                    mailbox_provider: None,
                    mailbox_providers: Vec::new(),
                });
            }
        }
        details
    }
}

#[tokio::test]
async fn the_counts_add_up_and_every_status_and_event_occurs() {
    let demo = demo("counts", 1, MESSAGES).await;
    let (store, team) = (&demo.app.store, demo.team.team.id);
    assert_eq!(store.list_wrong_rollups(team).await.unwrap(), []);
    let counts = store.count_by_status(team, None, TimeRange::default()).await.unwrap();
    let stats = Stats::from(counts);
    assert_eq!(stats.total, MESSAGES as i64);
    for status in EmailStatus::ALL {
        assert!(counts.of(status) > 0, "no message is {}", status.as_str());
        let filter = EmailFilter { statuses: StatusSet::one(status), ..EmailFilter::default() };
        let page = store.list_emails(team, &filter, PageRequest { page: 1, page_size: 1 }).await.unwrap();
        assert_eq!(page.total.count(), counts.of(status));
    }
    assert!(stats.delivered * 100 > stats.total * 90, "{stats:?}");
    assert!((40..70).contains(&(stats.opened * 100 / stats.delivered)), "{stats:?}");

    let details = demo.details().await;
    assert_eq!(details.len(), MESSAGES);
    let of_template = |detail: &EmailDetail| detail.email.template_name.clone();
    assert_eq!(details.iter().filter_map(of_template).collect::<BTreeSet<_>>().len(), 9);
    for detail in &details {
        let kinds = detail.events.iter().map(|event| event.kind);
        assert_eq!(crate::domain::event::fold_status(kinds), detail.email.status);
        assert!(detail.events.iter().all(|event| event.at <= now()));
        assert!(detail.events.iter().all(|event| event.at >= detail.email.created_at()));
        let waits = detail.email.next_attempt_at.is_some() || detail.email.waits_for_adapter;
        assert_eq!(detail.email.status == EmailStatus::Queued, waits);
        let is_bad = matches!(detail.email.status, EmailStatus::Bounced | EmailStatus::Failed);
        assert_eq!(is_bad, detail.email.error_message.is_some(), "{:?}", detail.email);
        assert_eq!(detail.email.sent_at.is_some(), detail.events.iter().any(|event| event.kind == EventKind::Sent));
    }
    let deferred = |detail: &&EmailDetail| detail.events.iter().any(|event| event.kind == EventKind::Deferred);
    let waiting: Vec<_> = details.iter().filter(|detail| detail.email.next_attempt_at.is_some()).collect();
    assert!(waiting.iter().copied().filter(deferred).any(|detail| detail.email.next_attempt_at > Some(now())));
    let resent = details.iter().filter(|detail| detail.email.resend_of.is_some()).count();
    assert!(resent > 1 && details.iter().filter(|detail| !detail.email.resent_as.is_empty()).count() == resent);
    assert!(details.iter().any(|detail| detail.email.has_pdf_attachment && detail.content.attachments.len() == 1));
    assert!(details.iter().any(|detail| detail.email.recipients.len() > 1));
    let blocked = details.iter().filter(|d| d.email.error_message.as_deref().is_some_and(|e| e.contains("blocked")));
    assert!(blocked.count() >= 6);
    let requests = requests_of(store, team).await;
    let linked = details.iter().filter_map(|detail| detail.email.api_request_id);
    assert!(linked.clone().count() > 10);
    assert!(linked.into_iter().all(|id| requests.iter().any(|request| request.id == id)));
}

#[tokio::test]
async fn nothing_arrives_where_a_mailbox_is_gone() {
    let demo = demo("gone", 1, 3_000).await;
    let mut details = demo.details().await;
    details.sort_by_key(|detail| detail.email.id);
    let mut gone = BTreeSet::new();
    for detail in &details {
        let first = &detail.email.recipients[0].address;
        let reason = detail.email.error_message.as_deref().unwrap_or_default();
        if ["5.1.1", "5.2.1", "5.4.1", "suppression"].iter().any(|code| reason.contains(code)) {
            gone.insert(first.clone());
        } else if StatusSet::ARRIVED.contains(detail.email.status) {
            let reached = detail.email.recipients.iter().find(|recipient| gone.contains(&recipient.address));
            assert_eq!(reached, None, "{:?}", detail.email);
        }
    }
    assert!(gone.len() > 20, "{gone:?}");
}

#[tokio::test]
async fn notifications_have_channels_causes_and_requests_of_every_system() {
    let demo = demo("notifications", 1, MESSAGES).await;
    let (store, team) = (&demo.app.store, demo.team.team.id);
    let details = demo.details().await;
    let mut states = BTreeSet::new();
    let of_notifications: BTreeSet<_> = details.iter().filter_map(|detail| detail.email.notification_id).collect();
    assert!(of_notifications.len() > 20);
    for id in of_notifications {
        let notification = store.find_notification(team, id).await.unwrap().unwrap();
        let ids = store.list_emails_of_notification(team, id).await.unwrap();
        let channels = store.find_emails(team, &ids).await.unwrap();
        assert!(channels.iter().all(|email| email.api_request_id == notification.api_request_id));
        assert!(channels.iter().all(|email| email.external_user_id == notification.external_user_id));
        states.insert(NotificationState::of(channels.iter().map(|email| email.status)).as_str());
    }
    assert_eq!(states.into_iter().collect::<Vec<_>>(), ["failure", "received", "success"]);
    for channel in Channel::ALL {
        assert!(details.iter().any(|detail| detail.email.channel == channel), "no message by {}", channel.as_str());
    }
    assert_eq!(details.iter().filter(|detail| detail.email.waits_for_adapter).count(), 1);
    assert!(details.iter().any(|detail| detail.events.iter().any(|event| event.detail.cause.is_some())));
    let requests = requests_of(store, team).await;
    for prefix in ["/api/", "/resend/", "/sendwithus/", "/jetemail/", "/notificationapi/"] {
        assert!(requests.iter().any(|request| request.endpoint.starts_with(prefix)), "no request to {prefix}");
    }
}

async fn requests_of(store: &Store, team: TeamId) -> Vec<ApiRequestSummary> {
    let filter = ApiRequestFilter::default();
    store.list_api_requests(team, &filter, Cursor::Newest, 10_000).await.unwrap().items
}

#[tokio::test]
async fn nothing_in_it_is_somebodys_real_domain() {
    let demo = demo("domains", 3, 300).await;
    let text = serde_json::to_string(&demo.details().await).unwrap();
    let mut found = BTreeSet::new();
    for (start, marker) in [("@", 1), ("://", 3)]
        .iter()
        .flat_map(|(mark, length)| text.match_indices(mark).map(move |(start, _)| (start, *length)))
    {
        let rest = &text[start + marker..];
        let is_host = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-');
        let end = rest.find(|letter| !is_host(letter)).unwrap_or(rest.len());
        found.insert(rest[..end].trim_end_matches('.').to_owned());
    }
    assert!(found.len() > 20, "{found:?}");
    let is_reserved = |host: &&String| host.ends_with(".example") || host.ends_with(".test");
    assert_eq!(found.iter().filter(|host| !is_reserved(host)).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_rows() {
    let (first, second, other) = tokio::join!(demo("same-1", 7, 200), demo("same-2", 7, 200), demo("other", 8, 200));
    let (first_rows, second_rows) = (first.details().await, second.details().await);
    assert_eq!(first_rows, second_rows);
    assert_ne!(first_rows[0].email.recipients, other.details().await[0].email.recipients);
    assert_eq!(first.team.team, second.team.team);
    assert_eq!(serde_json::json!(first.team)["team"], first.team.team.slug.as_str());
    let (one, two) = (first.app.store.clone(), second.app.store.clone());
    let team = first.team.team.id;
    assert_eq!(requests_of(&one, team).await, requests_of(&two, team).await);
    assert_eq!(one.list_api_keys(team).await.unwrap(), two.list_api_keys(team).await.unwrap());
    assert_eq!(one.list_templates(team).await.unwrap(), two.list_templates(team).await.unwrap());
    for user in &first.team.users {
        let found = one.find_credentials(&user.email).await.unwrap().unwrap();
        let again = two.find_credentials(&user.email).await.unwrap().unwrap();
        assert_eq!((found.user_id, found.password_hash), (again.user_id, again.password_hash));
    }
}

#[tokio::test]
async fn the_most_recent_week_has_more_than_the_one_before() {
    let demo = demo("weeks", 2, 5_000).await;
    let (store, team) = (&demo.app.store, demo.team.team.id);
    let count = async |from, to| {
        let range = TimeRange::new(now() - TimeDelta::days(from), now() - TimeDelta::days(to));
        Stats::from(store.count_by_status(team, None, range).await.unwrap())
    };
    let (this, before) = (count(7, 0).await, count(14, 7).await);
    assert!(this.total > 900 && this.bounced > before.bounced, "{this:?} {before:?}");
}

#[tokio::test]
async fn a_second_demo_in_one_database_is_refused() {
    let demo = demo("twice", 1, 100).await;
    let options =
        DemoOptions { seed: 2, messages: 100, days: 30, now: now(), smtp_url: "smtp://127.0.0.1:2525".to_owned() };
    assert!(matches!(fill(&demo.app, &options).await, Err(AppError::AlreadyExists(_))));
}

#[tokio::test]
async fn the_audit_log_is_in_the_order_of_time_and_whole() {
    use crate::domain::audit::{AuditAction, AuditFilter};
    use crate::server::store::audit::AuditVerdict;
    let demo = demo("audit", 1, MESSAGES).await;
    let (store, team) = (&demo.app.store, demo.team.team.id);
    let mut lines = store.list_audit_entries(team, &AuditFilter::default(), None, 1000).await.unwrap();
    lines.reverse();
    assert!(lines.windows(2).all(|pair| pair[0].at <= pair[1].at), "{lines:#?}");
    assert!(lines.last().unwrap().at <= now());
    for action in [
        AuditAction::TeamCreated,
        AuditAction::MemberJoined,
        AuditAction::ApiKeyRotated,
        AuditAction::ApiKeyRevoked,
        AuditAction::RoleCreated,
        AuditAction::TemplateUpdated,
        AuditAction::LogInFailed,
        AuditAction::EmailRevealed,
    ] {
        assert!(lines.iter().any(|line| line.action == action), "no {action:?}");
    }
    assert!(matches!(store.verify_audit_log(team).await.unwrap(), AuditVerdict::Intact { .. }));
}
