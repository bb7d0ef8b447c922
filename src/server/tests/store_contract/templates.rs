//! Templates, their versions, and the sample values that people see them with.

use chrono::TimeDelta;

use super::*;
use crate::domain::error::AppError;
use crate::domain::ids::{TemplateId, TemplateVersionId};
use crate::domain::team::Role;
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::tracking::TemplateTracking;
use crate::server::store::templates::TemplateChange;

on_both_databases! {
    async fn templates_have_versions_and_names_of_their_own(app: TestApp) {
        let store = app.store();
        let source =
            |subject: &str| TemplateSource { subject: subject.to_owned(), html: None, text: Some("ü".to_owned()) };
        let template = |name: &str| Template {
            id: app.id_at(app.now()),
            name: name.to_owned(),
            created_at: app.now(),
            updated_at: app.now(),
            masked_variables: vec!["reset_link".to_owned()],
            tracking: TemplateTracking { tracks_opens: Some(true), tracks_clicks: None, offers_unsubscribe: true },
            current: TemplateVersion {
                id: app.id_at(app.now()),
                version: 1,
                source: source("one"),
                created_at: app.now(),
            },
        };
        let (receipt, invoice) = (template("Receipt"), template("Invoice"));
        assert_eq!(store.insert_template(app.team, &receipt, &app.event()).await, Ok(true));
        assert_eq!(store.insert_template(app.team, &template("Receipt"), &app.event()).await, Ok(false));
        assert_eq!(store.insert_template(app.team, &invoice, &app.event()).await, Ok(true));
        assert_eq!(store.insert_template(app.other_team, &template("Receipt"), &app.event()).await, Ok(true));
        assert_eq!(store.list_templates(app.team).await, Ok(vec![invoice.clone(), receipt.clone()]));
        let names = vec![(invoice.id, invoice.name.clone()), (receipt.id, receipt.name.clone())];
        assert_eq!(store.list_template_names(app.team).await, Ok(names));
        let found = async |part| store.list_templates_named(app.team, part, 1).await.unwrap();
        assert_eq!(found("").await, [(invoice.id, invoice.name.clone())]);
        assert_eq!(found("CEIPT").await, [(receipt.id, receipt.name.clone())]);
        assert_eq!(found("%").await, []);
        assert_eq!(store.find_template(app.team, receipt.id).await, Ok(Some(receipt.clone())));
        assert_eq!(store.find_template(app.other_team, receipt.id).await, Ok(None));
        assert_eq!(store.find_template_by_name(app.team, "Invoice").await, Ok(Some(invoice.clone())));
        assert_eq!(store.find_template_by_name(app.other_team, "Invoice").await, Ok(None));
        assert_eq!(store.find_template_by_name(app.team, "invoice").await, Ok(None));

        let (later, version): (_, TemplateVersionId) = (app.now() + TimeDelta::hours(1), app.id_at(app.now()));
        let two = source("two");
        let change = TemplateChange { version: Some((version, &two)), ..TemplateChange::default() };
        assert_eq!(store.update_template(app.team, receipt.id, &change, later, &app.event()).await, Ok(true));
        assert_eq!(store.update_template(app.team, TemplateId(7), &change, later, &app.event()).await, Ok(false));
        let current = store.find_template(app.team, receipt.id).await.unwrap().unwrap();
        assert_eq!((current.current.version, current.current.source, current.updated_at), (2, source("two"), later));
        let versions = store.list_template_versions(app.team, receipt.id).await.unwrap();
        assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(versions[1], receipt.current);

        let named = |name| TemplateChange { name: Some(name), ..TemplateChange::default() };
        let taken = store.update_template(app.team, receipt.id, &named("Invoice"), later, &app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
        assert_eq!(store.update_template(app.team, receipt.id, &named("Bill"), later, &app.event()).await, Ok(true));
        let change = TemplateChange { masked_variables: Some(&[]), ..TemplateChange::default() };
        assert_eq!(store.update_template(app.team, receipt.id, &change, later, &app.event()).await, Ok(true));
        let bill = store.find_template(app.team, receipt.id).await.unwrap().unwrap();
        assert_eq!((bill.name.as_str(), bill.masked_variables, bill.current.version), ("Bill", Vec::new(), 2));
        assert_eq!(bill.tracking, receipt.tracking, "what is not given stays");
        let tracking = TemplateTracking { tracks_opens: None, tracks_clicks: Some(false), offers_unsubscribe: false };
        let change = TemplateChange { tracking: Some(tracking), ..TemplateChange::default() };
        assert_eq!(store.update_template(app.team, receipt.id, &change, later, &app.event()).await, Ok(true));
        assert_eq!(store.find_template(app.team, receipt.id).await.unwrap().unwrap().tracking, tracking);
        assert_eq!(store.delete_template(app.other_team, receipt.id, later, &app.event()).await, Ok(false));
        assert_eq!(store.delete_template(app.team, receipt.id, later, &app.event()).await, Ok(true));
        assert_eq!(store.delete_template(app.team, receipt.id, later, &app.event()).await, Ok(false));
        assert_eq!(store.find_template(app.team, receipt.id).await, Ok(None));
        assert_eq!(store.find_template_by_name(app.team, "Bill").await, Ok(None));

        assert_eq!(store.restore_template(app.other_team, receipt.id, app.event()).await, Ok(None));
        assert_eq!(store.restore_template(app.team, receipt.id, app.event()).await, Ok(Some("Bill".to_owned())));
        assert_eq!(store.restore_template(app.team, receipt.id, app.event()).await, Ok(None));
        assert_eq!(store.find_template(app.team, receipt.id).await.unwrap().unwrap().current.version, 2);
        assert_eq!(store.delete_template(app.team, receipt.id, later, &app.event()).await, Ok(true));
        assert_eq!(store.insert_template(app.team, &template("Bill"), &app.event()).await, Ok(true));
        let taken = store.restore_template(app.team, receipt.id, app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
    }

    async fn sample_values_are_a_members_own(app: TestApp) {
        let store = app.store();
        let (receipt, other) = (app.add_template("Receipt").await.id, app.add_template("Other").await.id);
        let (ada, bea) = (app.user(app.team, Role::Member).await, app.user(app.team, Role::Viewer).await);
        let stranger = app.user(app.other_team, Role::Owner).await;
        let keep = async |team, id, user, sample| store.keep_template_sample(team, id, user, sample).await;
        let found = async |team, id, user| store.find_template_sample(team, id, user).await.unwrap();
        for sample in ["{}", r#"{"name": "Ada"}"#] {
            assert_eq!(keep(app.team, receipt, ada, sample).await, Ok(()));
        }
        // Neither another team's template, nor somebody who is no member.
        assert_eq!(keep(app.other_team, receipt, stranger, "{}").await, Ok(()));
        assert_eq!(keep(app.team, receipt, stranger, "{}").await, Ok(()));
        assert_eq!(keep(app.team, TemplateId(7), ada, "{}").await, Ok(()));
        assert_eq!(found(app.team, receipt, ada).await.as_deref(), Some(r#"{"name": "Ada"}"#));
        assert_eq!(found(app.team, receipt, bea).await, None);
        assert_eq!(found(app.team, other, ada).await, None);
        assert_eq!(found(app.team, receipt, stranger).await, None);
        assert_eq!(found(app.other_team, receipt, ada).await, None);
        assert_eq!(found(app.other_team, receipt, stranger).await, None);

        assert_eq!(store.delete_membership(app.team, ada, None, app.now(), &app.event()).await, Ok(true));
        assert_eq!(found(app.team, receipt, ada).await, None);
    }
}
