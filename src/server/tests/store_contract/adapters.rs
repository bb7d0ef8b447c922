//! The order of adapters, which are down, and what is kept of attempts.

use chrono::TimeDelta;

use super::outbox::{lease, new_email};
use super::*;
use crate::domain::adapter::{Adapter, AdapterDown, AdapterKind, Direction, Lane};
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::exchange::{Exchange, Step};
use crate::domain::ids::AdapterId;
use crate::server::store::attempts::{NewAttempt, pack_exchange};
use crate::server::store::outbox::{Onward, Settlement};

async fn add(app: &TestApp, name: &str, kind: AdapterKind) -> AdapterId {
    let adapter = Adapter {
        id: app.id_at(app.now()),
        name: name.to_owned(),
        kind,
        from_address: "Finch <a@b.example>".to_owned(),
        endpoint: "https://api.finch.example/".to_owned(),
        is_default: false,
        created_at: app.now(),
    };
    assert_eq!(app.store().insert_adapter(app.team, &adapter, "sealed", &app.event()).await, Ok(true));
    adapter.id
}

async fn order(app: &TestApp, lane: Lane) -> Vec<String> {
    app.store().list_adapter_order(app.team, lane).await.unwrap().into_iter().map(|adapter| adapter.name).collect()
}

on_both_databases! {
    async fn an_adapter_moves_within_its_lane_and_its_team_alone(app: TestApp) {
        let store = app.store();
        let one = add(&app, "One", AdapterKind::Smtp).await;
        let two = add(&app, "Two", AdapterKind::SendGrid).await;
        add(&app, "Hook", AdapterKind::Http).await;
        let shift = async |team, id, direction| store.move_adapter(team, id, direction, |_, _| app.event()).await;
        assert_eq!(shift(app.team, two, Direction::Down).await, Ok(None));
        assert_eq!(shift(app.other_team, two, Direction::Up).await, Ok(None));
        assert_eq!(shift(app.team, AdapterId(7), Direction::Up).await, Ok(None));
        assert_eq!(order(&app, Lane::Email).await, ["One", "Two"]);
        assert_eq!(shift(app.team, two, Direction::Up).await, Ok(Some((2, 1))));
        assert_eq!(order(&app, Lane::Email).await, ["Two", "One"]);
        assert_eq!((order(&app, Lane::Web).await, order(&app, Lane::Phone).await), (vec!["Hook".to_owned()], vec![]));
        let default = store.find_adapter(app.team, two).await.unwrap().unwrap();
        assert!(default.is_default && !store.find_adapter(app.team, one).await.unwrap().unwrap().is_default);
        assert_eq!(store.list_adapter_order(app.other_team, Lane::Email).await, Ok(Vec::new()));
    }

    async fn an_adapter_is_down_once_and_one_of_all_probes_it(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let id = add(&app, "One", AdapterKind::Smtp).await;
        let due = now + TimeDelta::seconds(30);
        let down = AdapterDown { since: now, reason: "no".to_owned(), probe_at: due, probes: 0 };
        assert_eq!(store.mark_adapter_down(app.other_team, id, &down).await, Ok(false));
        assert_eq!(store.mark_adapter_down(app.team, id, &down).await, Ok(true));
        let later = AdapterDown { since: due, ..down.clone() };
        assert_eq!(store.mark_adapter_down(app.team, id, &later).await, Ok(false), "known");
        let state = async || store.list_adapter_order(app.team, Lane::Email).await.unwrap().remove(0).down;
        assert_eq!(state().await, Some(down.clone()));
        let next = due + TimeDelta::seconds(60);
        let claims = tokio::join!(store.claim_probe(app.team, id, due, next), store.claim_probe(app.team, id, due, next));
        assert_eq!(claims.0.unwrap() as u8 + claims.1.unwrap() as u8, 1);
        assert_eq!(store.claim_probe(app.other_team, id, next, next).await, Ok(false));
        assert_eq!(state().await, Some(AdapterDown { probe_at: next, probes: 1, ..down }));
        assert_eq!(store.mark_adapter_up(app.other_team, id).await, Ok(false));
        assert_eq!((store.mark_adapter_up(app.team, id).await, store.mark_adapter_up(app.team, id).await), (Ok(true), Ok(false)));
        assert_eq!(state().await, None);
    }

    async fn a_message_is_passed_on_and_comes_back_and_what_was_said_is_kept(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let (one, two) = (add(&app, "One", AdapterKind::Smtp).await, add(&app, "Two", AdapterKind::Smtp).await);
        let mut new = new_email(&app, now);
        new.adapter_id = Some(one);
        store.insert_email(app.team, &new).await.unwrap();
        let adapter = async || store.find_email(app.team, new.id).await.unwrap().unwrap().adapter_id;
        let first = lease(&app, now, 1).await.remove(0);
        assert_eq!((first.adapter_id, first.tried.len(), first.stays), (one, 0, false));
        let to_two = Onward { adapter_id: two, tried: vec![one] };
        assert_eq!(store.pass_on(&first, &to_two, now).await, Ok(true));
        assert_eq!(store.pass_on(&first, &to_two, now).await, Ok(false), "it is this lease's no longer");
        assert_eq!(adapter().await, Some(two));
        let second = lease(&app, now, 2).await.remove(0);
        assert_eq!((second.adapter_id, &second.tried[..], second.attempts), (two, &[one][..], 0));
        let until = now + TimeDelta::minutes(1);
        assert_eq!(store.mark_given(&second, until).await, Ok(true));
        assert_eq!(store.mark_given(&first, until).await, Ok(false));
        assert_eq!(store.pass_on(&second, &to_two, now).await, Ok(false), "it may have got there");

        // All had it: it waits, begins anew and counts.
        let id = app.id_at(now);
        let event = EmailEvent { id, kind: EventKind::FailedToSend, at: now, recipient: None, detail: EventDetail::default() };
        let exchange = Exchange(vec![Step { is_ours: true, text: "EHLO x\nmore".to_owned() }, Step { is_ours: false, text: "421 no".to_owned() }]);
        let attempt = NewAttempt {
            id,
            adapter_id: two,
            tls: Some("TLS 1.3".to_owned()),
            code: Some(421),
            enhanced_code: Some("4.3.2".to_owned()),
            duration_ms: 84,
            exchange: pack_exchange(&exchange).unwrap(),
        };
        let settlement = Settlement {
            events: vec![event.into()],
            pending: second.pending.clone(),
            next_attempt_at: Some(now),
            onward: Some(Onward { adapter_id: one, tried: Vec::new() }),
            attempt: Some(attempt),
            ..Settlement::default()
        };
        assert_eq!(store.settle(&first, &settlement).await, Ok(false));
        assert_eq!(store.list_attempts(app.team, new.id).await, Ok(Vec::new()));
        assert_eq!(store.settle(&second, &settlement).await, Ok(true));
        let third = lease(&app, now, 3).await.remove(0);
        assert_eq!((third.adapter_id, third.tried.len(), third.attempts, third.stays), (one, 0, 1, false));
        let [kept] = &store.list_attempts(app.team, new.id).await.unwrap()[..] else { panic!("one attempt") };
        assert_eq!((kept.id, kept.code, kept.duration_ms, kept.tls.as_deref()), (id, Some(421), 84, Some("TLS 1.3")));
        assert_eq!((kept.exchange.as_ref(), kept.enhanced_code.as_deref()), (Some(&exchange), Some("4.3.2")));
        assert_eq!(store.list_attempts(app.other_team, new.id).await, Ok(Vec::new()));

        // It goes with the bodies.
        assert_eq!(store.settle(&third, &Settlement::default()).await, Ok(true));
        let below = crate::domain::ids::EmailId(new.id.0 + 1);
        while store.delete_old_bodies(app.team, below).await.unwrap() {}
        assert_eq!(store.list_attempts(app.team, new.id).await, Ok(Vec::new()));
    }
}
