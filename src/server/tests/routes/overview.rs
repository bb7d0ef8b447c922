//! The log's page: that its cards, its chart, its list and its pages speak of the same rows, of the period that was asked for.

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::page::{PageRequest, Total};
use crate::domain::period::{PeriodChoice, Preset};
use crate::domain::search::Search;
use crate::domain::team::Role;
use crate::domain::viewer::{Actor, Viewer};
use crate::server::services::{emails, overview, search};

fn in_zone(viewer: &Viewer, zone: Tz) -> Viewer {
    let mut viewer = viewer.clone();
    if let Actor::User { time_zone, .. } = &mut viewer.actor {
        *time_zone = zone.name().to_owned();
    }
    viewer
}

/// Messages of the last fortnight before the tests' noon, some of them in its last minutes.
async fn some_messages(app: &TestApp) -> TemplateId {
    let template = app.add_template("Order receipt").await;
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let noon = app.now();
    let messages: Vec<Message> = (0..160_i64)
        .map(|index| {
            let minutes = if index % 4 == 0 { index / 4 } else { index * 137 };
            Message {
                at: noon - TimeDelta::minutes(minutes) - TimeDelta::milliseconds(index * 7),
                status: *EmailStatus::ALL.choose(&mut random).unwrap(),
                subject: (*["Good news", "Old news", "An invoice"].choose(&mut random).unwrap()).to_owned(),
                template: (index % 3 == 0).then_some((template.id, template.current.id)),
                ..Message::default()
            }
        })
        .collect();
    app.add_messages(&messages).await;
    template.id
}

/// The ids of the messages that a page lists, and the address of the next page.
fn listed(page: &str) -> (Vec<EmailId>, Option<String>) {
    let ids = page.split("href=\"/logs/eml_").skip(1).filter_map(|rest| rest.split('"').next());
    let mut ids: Vec<EmailId> = ids.map(|id| format!("eml_{id}").parse().unwrap()).collect();
    ids.dedup();
    let link = page.split("<a ").find(|link| link.contains("rel=\"next\""));
    let next = link.and_then(|link| link.split("href=\"").nth(1)).and_then(|rest| rest.split('"').next());
    (ids, next.map(|url| url.replace("&amp;", "&")))
}

on_both_databases! {
    async fn cards_chart_and_list_speak_of_the_same_rows(app: TestApp) {
        let template = some_messages(&app).await;
        let owner = app.viewer(Role::Owner).await;
        let custom = |text: &str| PeriodChoice { typed: Some(text.to_owned()), preset: Preset::Custom, ..PeriodChoice::default() };
        let choices = [
            PeriodChoice::of(Preset::LastHour), PeriodChoice::of(Preset::Last24Hours), PeriodChoice::of(Preset::Today),
            PeriodChoice::of(Preset::Yesterday), PeriodChoice::of(Preset::Last7Days), PeriodChoice::of(Preset::Last30Days),
            PeriodChoice::of(Preset::AllTime), custom("11:40-11:52 20 Jan 2024"), custom("since 18 Jan 2024 7:25"),
        ];
        let filters = [
            EmailFilter::default(),
            EmailFilter { template_id: Some(template), ..EmailFilter::default() },
            EmailFilter { statuses: StatusSet::PROBLEMS, ..EmailFilter::default() },
        ];
        let searches = ["", "news", "-status:sent", "good news status:problems", "template:\"Order receipt\" invoice", "ne"];
        let mut each = Vec::new();
        filters.iter().for_each(|filter| each.extend(searches.map(|text| (filter, text))));
        let seen_at = app.now() - TimeDelta::minutes(3);
        for zone in [Tz::UTC, Tz::Asia__Kolkata, Tz::Asia__Kathmandu] {
            let viewer = in_zone(&owner, zone);
            for index in 0..choices.len() * each.len() {
                let (choice, (filter, text)) = (&choices[index / each.len()], each[index % each.len()]);
                let what = format!("{zone} {choice:?} {:?} {text}", filter.template_id);
                let period = emails::resolve_period(&app.app, &viewer, choice).await.unwrap();
                let searched = Search::parse(text).unwrap();
                for seen in [None, Some(seen_at)] {
                    let range = TimeRange { to: [period.range.to, seen].into_iter().flatten().min(), ..period.range };
                    let filter = EmailFilter { range, ..filter.clone() };
                    let filter = search::filter_of(&app.app, &viewer, &searched, filter).await.unwrap();
                    let page = PageRequest { page: 1, page_size: 200 };
                    let rows = emails::list_emails(&app.app, &viewer, &filter, page).await.unwrap();
                    let shown = overview::load_overview(&app.app, &viewer, &period, &filter).await.unwrap();
                    assert_eq!(Total::Exact(shown.stats.total), rows.total, "{what}");
                    assert_eq!(shown.counted_from, None, "{what}");
                    let of = |set: StatusSet| rows.items.iter().filter(|row| set.contains(row.status)).count() as i64;
                    assert_eq!((shown.stats.delivered, shown.stats.failed), (of(StatusSet::ARRIVED), of(StatusSet::one(EmailStatus::Failed))), "{what}");
                    for bar in &shown.bars {
                        for status in EmailStatus::ALL {
                            let is_here = |row: &&crate::domain::email::EmailSummary| row.status == status && bar.from <= row.id.created_at() && row.id.created_at() < bar.to;
                            let here = rows.items.iter().filter(is_here).count() as i64;
                            assert_eq!(bar.counts.of(status), here, "{what} {seen:?} {status:?} {}", bar.from);
                        }
                    }
                    let in_bars: i64 = shown.bars.iter().map(|bar| bar.counts.in_set(StatusSet::default())).sum();
                    assert_eq!(in_bars, shown.stats.total, "{what}");
                }
            }
        }
    }

    async fn cards_count_the_rows_of_a_list_of_some_statuses_alone(app: TestApp) {
        let messages = [EmailStatus::Bounced, EmailStatus::Bounced, EmailStatus::Failed, EmailStatus::Delivered, EmailStatus::Sent];
        app.add_messages(&messages.map(Message::with_status)).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let count_of = |page: &str, key: &str| {
            let card = page.split("<a ").find(|link| link.contains(&format!("data-key=\"{key}\"")) && link.contains("card-count")).unwrap();
            let count = card.split("card-count\">").nth(1).unwrap();
            (count[..count.find("</span>").unwrap()].to_owned(), card.contains("aria-current"))
        };
        for address in ["/logs?status=bounced", "/logs?q=status:bounced"] {
            let page = client.get(address).await.text;
            assert_eq!(listed(&page).0.len(), 2, "{address}");
            for (key, count, is_current) in [("total", "2", false), ("bounced", "2", true), ("failed", "–", false), ("delivered", "–", false)] {
                let (shown, marked) = count_of(&page, key);
                assert!(shown.contains(count) && marked == is_current, "{address} {key}: {shown}");
            }
        }
        let page = client.get("/logs?status=bounced,failed").await.text;
        assert!(["total", "bounced", "failed"].map(|key| count_of(&page, key).0).iter().zip(["3", "2", "1"]).all(|(shown, count)| shown.contains(count)), "{page}");
        let page = client.get("/logs").await.text;
        assert!(count_of(&page, "total").0.contains('5') && !page.contains("not in this list"), "{page}");
    }

    async fn the_period_before_is_of_the_same_rows_too(app: TestApp) {
        some_messages(&app).await;
        let viewer = app.viewer(Role::Owner).await;
        let period = emails::resolve_period(&app.app, &viewer, &PeriodChoice::of(Preset::Last7Days)).await.unwrap();
        for text in ["", "news", "-status:sent"] {
            let filter_in = async |range: TimeRange| {
                let filter = EmailFilter { range, ..EmailFilter::default() };
                search::filter_of(&app.app, &viewer, &Search::parse(text).unwrap(), filter).await.unwrap()
            };
            let shown = overview::load_overview(&app.app, &viewer, &period, &filter_in(period.range).await).await.unwrap();
            let before = filter_in(period.previous.unwrap()).await;
            let rows = emails::list_emails(&app.app, &viewer, &before, PageRequest { page: 1, page_size: 1 }).await.unwrap();
            assert!(rows.total.count() > 0);
            assert_eq!(shown.previous.map(|stats| Total::Exact(stats.total)), Some(rows.total), "{text}");
        }
    }

    async fn pages_keep_their_place_while_messages_arrive(app: TestApp) {
        let messages: Vec<Message> = (0..120)
            .map(|index| Message { at: app.now() - TimeDelta::seconds(index), ..Message::default() })
            .collect();
        let mut expected = app.add_messages(&messages).await;
        expected.sort_unstable_by(|one, other| other.cmp(one));
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        for start in ["/logs", "/logs?q=welcome", "/logs?status=delivered&preset=24h"] {
            let (mut found, mut next) = (Vec::new(), Some(start.to_owned()));
            while let Some(address) = next {
                let page = client.get(&address).await;
                assert_eq!(page.status, 200, "{address}");
                let (ids, following) = listed(&page.text);
                found.extend(ids);
                next = following;
                app.advance(TimeDelta::seconds(1));
                app.add_messages(&vec![Message { at: app.now(), ..Message::default() }; 7]).await;
            }
            assert_eq!(&found[found.len() - 120..], expected, "{start}");
            let mut once = found.clone();
            once.dedup();
            assert_eq!(once, found, "{start}");
        }
    }

    async fn where_nobody_reports_the_pages_say_so_and_give_no_rates(app: TestApp) {
        let id = app.add_messages(&vec![Message::with_status(EmailStatus::Sent); 60]).await[0];
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let has_told = |page: &str| page.contains("href=\"/connect#reports\"");
        let rates = |page: &str| page.matches("<span class=\"card-foot\">0%").count();
        let (log, message) = (client.get("/logs").await.text, client.get(&format!("/logs/{id}")).await.text);
        assert!(has_told(&log) && has_told(&message));
        // Queued, bounced and failed are known without a report.
        assert_eq!(rates(&log), 3, "{log}");
        app.add_message(Message::with_status(EmailStatus::Delivered)).await;
        let (log, message) = (client.get("/logs?status=sent").await.text, client.get(&format!("/logs/{id}")).await.text);
        assert!(!has_told(&log) && !has_told(&message));
    }

    async fn a_period_said_by_ones_own_clock_becomes_one_that_everybody_reads_alike(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        for (typed, absolute) in [
            ("/logs?when=10:00-11:00%2020%20Jan&q=welcome&status=delivered", "/logs?preset=custom&from=2024-01-20T10:00:00Z&to=2024-01-20T11:00:00Z&status=delivered&q=welcome"),
            ("/logs?preset=custom&from=2024-01-20&from_time=9:05&to=2024-01-20&to_time=", "/logs?preset=custom&from=2024-01-20T09:05:00Z&to=2024-01-21T00:00:00Z"),
            ("/logs?q=welcome%20after:2024-01-19", "/logs?preset=custom&from=2024-01-19T00:00:00Z&q=welcome"),
            ("/logs?q=welcome%20after:2024-01-19%20before:2024-01-20T11:00&preset=30d", "/logs?preset=custom&from=2024-01-19T00:00:00Z&to=2024-01-20T11:00:00Z&q=welcome"),
            ("/logs?when=all", "/logs?preset=all"),
        ] {
            let answer = client.get(typed).await;
            let location = answer.headers.get("location").map(|location| location.to_str().unwrap());
            assert_eq!((answer.status, location), (302, Some(absolute)), "{typed}");
            let page = client.get(absolute).await;
            assert_eq!((page.status, listed(&page.text).0.len()), (200, 1), "{absolute}");
        }
        // The link that is copied names instants, whatever the preset.
        let page = client.get("/logs?preset=today&q=welcome").await.text;
        assert!(page.contains("/logs?preset=custom&amp;from=2024-01-20T00:00:00Z&amp;to=2024-01-21T00:00:00Z&amp;q=welcome"));
    }

    async fn a_period_that_cannot_be_read_is_kept_for_mending(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        for (address, typed, words) in [
            ("/logs?when=soon&q=welcome", "soon", "is not a period"),
            ("/logs?preset=custom&from=2024-01-20&to=2024-01-10&q=welcome", "2024-01-20 - 2024-01-10", "ends before it begins"),
        ] {
            let page = client.get(address).await;
            assert_eq!(page.status, 400);
            assert!(page.text.contains(&format!("value=\"{typed}\"")) && page.text.contains(words), "{address}");
            assert!(page.text.contains("value=\"welcome\""), "{address}");
        }
    }

    async fn a_message_leads_back_to_the_list_and_on_within_it(app: TestApp) {
        let messages: Vec<Message> = (0..6)
            .map(|index| Message {
                at: app.now() - TimeDelta::minutes(index),
                subject: if index % 2 == 0 { "Good news" } else { "An invoice" }.to_owned(),
                ..Message::default()
            })
            .collect();
        let ids = app.add_messages(&messages).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html").with("host", "127.0.0.1:3000");
        let page = client.clone().with("referer", "http://127.0.0.1:3000/logs?preset=24h&q=news").get(&format!("/logs/{}", ids[2])).await.text;
        let link = |id: EmailId| format!("href=\"/logs/{id}?list=preset%3D24h%26q%3Dnews\"");
        assert!(page.contains("href=\"/logs?preset=24h&amp;q=news#eml_"), "{page}");
        assert!(page.contains(&link(ids[0])) && page.contains(&link(ids[4])), "{page}");
        let last = client.get(&format!("/logs/{}?list=preset%3D24h%26q%3Dnews", ids[4])).await.text;
        assert!(last.contains(&link(ids[2])) && last.contains("href=\"/logs?preset=24h&amp;q=news#eml_"));
        assert!(!last.contains("rel=\"next\""));
        // A page elsewhere, another site, and a list that cannot be read leave the plain way.
        for (referer, address) in [
            ("http://127.0.0.1:3000/requests?q=news", ""),
            ("http://elsewhere.example/logs?q=news", ""),
            ("http://127.0.0.1:3000/logs?q=colour:red", ""),
            ("", "?list=q%3Dcolour:red"),
        ] {
            let page = client.clone().with("referer", referer).get(&format!("/logs/{}{address}", ids[2])).await;
            assert_eq!(page.status, 200);
            assert!(!page.text.contains("rel=\"next\""), "{referer} {address}");
        }
    }

    async fn a_failed_message_says_first_what_became_of_its_copy(app: TestApp) {
        let failed = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = client.get(&format!("/logs/{failed}")).await.text;
        assert!(page.contains("Tell the customer") && !page.contains("Show the copy"));
        let mut copy = Message::default().historic(&app);
        copy.email.resend_of = Some(failed);
        app.store().insert_history(app.team, &[copy.clone()]).await.unwrap();
        let page = client.get(&format!("/logs/{failed}")).await.text;
        let (first, why) = (page.find("Resent ").unwrap(), page.find("Whose problem").unwrap());
        assert!(first < why && page.contains(&format!("href=\"/logs/{}\"", copy.email.id)), "{page}");
        assert!(page.contains("Not needed: the copy arrived.") && page.contains("so we have sent it again"));
    }
}
