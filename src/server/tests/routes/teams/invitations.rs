//! Invitations by letter, members' keys, the team's rules, and deleting a team.

use super::*;

on_both_databases! {
    async fn an_invitation_arrives_as_a_letter_whose_link_works_once(app: TestApp) {
        let sink = add_sink(&app).await;
        let role = app.add_role("Support", &[Permission::LogsView]).await;
        let admin = app.sign_in(Role::Admin).await;
        let answer = admin.post(&path(app.team, "/invite"), json!({"email": "ada@wren.example", "role": role})).await;
        assert_eq!((answer.status, &answer.data()["emailSent"]), (201, &json!(true)));
        let received = sink.messages().pop().unwrap();
        assert_eq!((received.from.as_str(), received.recipients), ("noreply@finch.example", vec!["ada@wren.example".to_owned()]));
        let letter = newest_letter(&sink);
        for words in [
            "Subject: Invitation to Finch on Sendlog", "To: ada@wren.example", "Auto-Submitted: auto-generated",
            "admin (admin@finch.example) invites you to the team Finch", "with the role Support", "for ada@wren.example alone",
            "ends in 7 days,\non 27 January 2024 at 12:00 UTC", "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(letter.contains(words), "no “{words}” in {letter}");
        }
        let link = link_in(&letter);
        assert!(answer.text_of("inviteUrl").ends_with(&link));
        // It is no message of the team: nobody finds the link in the log.
        assert_eq!(admin.get("/api/logs").await.data()["total"], 0);

        let page = app.client().with("accept", "text/html").get(&link).await;
        assert!(page.status == 200 && page.text.contains("ada@wren.example") && page.text.contains("Support"));
        let token = link.rsplit('/').next().unwrap();
        let visitor = app.client().with("content-type", "application/x-www-form-urlencoded");
        let body = format!("token={token}&name=Ada&password=correct%20horse%20battery");
        let joined = visitor.send("POST", "/fn/accept_invite", Some(body)).await;
        assert!(joined.status < 400, "{joined:?}");
        let ada = app.store().find_user_by_email("ada@wren.example").await.unwrap().unwrap();
        assert_eq!(app.store().find_role(app.team, ada.id).await, Ok(Some(role)));
        assert_eq!(page_status(&app, &link).await, 404);
    }

    async fn who_is_invited_has_an_address_with_a_domain(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for email in ["eyes.admin@finch", "ada@localhost"] {
            let answer = admin.post(&path(app.team, "/invite"), json!({"email": email, "role": "viewer"})).await;
            answer.assert_invalid("email");
            assert!(answer.text.contains("The part after the @ needs a domain, like example.com"), "{}", answer.text);
        }
        let viewer = app.viewer(Role::Admin).await;
        assert_eq!(teams::list_invites(&app.app, &viewer).await, Ok(Vec::new()));
    }

    async fn an_invitation_sent_again_ends_the_old_link(app: TestApp) {
        let sink = add_sink(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"email": "ada@wren.example", "role": "viewer"});
        let first = admin.post(&path(app.team, "/invite"), body).await;
        let old = link_in(&newest_letter(&sink));
        app.advance(TimeDelta::days(6));
        let again = admin.send("POST", &path(app.team, &format!("/invites/{}/resend", first.text_of("id"))), None).await;
        let data = again.data();
        assert_eq!((&data["id"], &data["emailSent"]), (&first.data()["id"], &json!(true)));
        assert_eq!(data["expiresAt"], "2024-02-02T12:00:00.000Z");
        let new = link_in(&newest_letter(&sink));
        assert_eq!((sink.messages().len(), old == new), (2, false));
        assert_eq!((page_status(&app, &old).await, page_status(&app, &new).await), (404, 200));
        let filter = AuditFilter { actions: vec![AuditAction::InviteResent], ..AuditFilter::default() };
        let lines = app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap();
        assert_eq!((lines.len(), lines[0].target_name.as_deref()), (1, Some("ada@wren.example")));
        // A week later the new one has ended too.
        app.advance(TimeDelta::days(7));
        assert_eq!(page_status(&app, &new).await, 404);
        let ended = admin.send("POST", &path(app.team, &format!("/invites/{}/resend", first.text_of("id"))), None).await;
        ended.assert_error(404, "NOT_FOUND", "Invitation not found");
    }

    async fn a_withdrawn_link_opens_nothing(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        let sent = teams::invite(&app.app, &admin, "ada@wren.example", Role::Viewer).await.unwrap();
        let link = link_in(&sent.link.url);
        assert_eq!(page_status(&app, &link).await, 200);
        teams::delete_invite(&app.app, &admin, sent.link.invite.id).await.unwrap();
        assert_eq!(page_status(&app, &link).await, 404);
    }

    async fn the_link_is_never_lost_and_who_invites_hears_why_no_letter_went(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        let none = teams::invite(&app.app, &admin, "ada@wren.example", Role::Viewer).await.unwrap();
        assert_eq!(none.mail, SystemMailOutcome::NoAdapter);
        assert!(none.notice().starts_with("The team has no mail adapter") && none.notice().ends_with(&none.link.url));
        let sink = add_sink(&app).await;
        for (email, reason) in [("refused@wren.example", "550 5.1.1"), ("deferred@wren.example", "451 4.7.1")] {
            let refused = teams::invite(&app.app, &admin, email, Role::Viewer).await.unwrap();
            let SystemMailOutcome::Refused(said) = &refused.mail else { panic!("{refused:?}") };
            assert!(said.contains(reason), "{said}");
            assert!(refused.notice().contains(reason) && refused.notice().ends_with(&refused.link.url));
            assert_eq!(page_status(&app, &link_in(&refused.link.url)).await, 200);
        }
        assert!(sink.messages().is_empty());
        let gone = sink.addr();
        drop(sink);
        let unreachable = teams::invite(&app.app, &admin, "eve@wren.example", Role::Viewer).await.unwrap();
        let SystemMailOutcome::Refused(said) = &unreachable.mail else { panic!("{unreachable:?}") };
        assert!(said.contains(&gone.to_string()), "{said}");
        let client = app.sign_in(Role::Admin).await;
        let answer = client.post(&path(app.team, "/invite"), json!({"email": "bob@wren.example", "role": "viewer"})).await;
        assert_eq!(answer.data()["emailSent"], false);
        assert!(answer.text_of("inviteUrl").contains("/invite/"));
    }

    async fn a_team_invites_thirty_times_an_hour(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        for number in 0..29 {
            teams::invite(&app.app, &admin, &format!("{number}@wren.example"), Role::Viewer).await.unwrap();
        }
        let last = teams::invite(&app.app, &admin, "ada@wren.example", Role::Viewer).await.unwrap();
        let client = app.sign_in(Role::Admin).await;
        let again = path(app.team, &format!("/invites/{}/resend", last.link.invite.id));
        for answer in [
            client.post(&path(app.team, "/invite"), json!({"email": "b@wren.example", "role": "viewer"})).await,
            client.send("POST", &again, None).await,
        ] {
            assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (429, Some("RATE_LIMITED")));
        }
        // What is refused for another reason is not counted, and the next hour is a new one.
        app.advance(TimeDelta::hours(1));
        assert_eq!(client.send("POST", &again, None).await.status, 200);
    }

    async fn a_removed_members_keys_end_or_are_handed_over(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        let client = app.sign_in(Role::Admin).await;
        for (query, outcome) in [("", 401), ("?keys=revoke", 401), ("?keys=hand-over", 200)] {
            let user = app.add_user(&format!("keeper{}@finch.example", query.len())).await;
            crate::server::services::accounts::add_member(&app.app, app.team, user, Role::Member).await.unwrap();
            let scopes = [Permission::LogsView].into_iter().collect();
            let key = api_keys::create_key_of(&app.app, app.team, Some(user), "Job", scopes).await.unwrap();
            let counts = teams::count_keys_of_members(&app.app, &admin).await.unwrap();
            assert!(counts.contains(&(user, 1)), "{counts:?}");
            let program = app.client().with("authorization", &format!("Bearer {}", key.secret));
            assert_eq!(program.get("/api/logs").await.status, 200);
            let member = path(app.team, &format!("/members/{user}"));
            client.delete(&format!("{member}?keys=keep")).await.assert_invalid("keys");
            client.delete(&format!("{member}{query}")).await.data();
            assert_eq!(program.get("/api/logs").await.status, outcome, "{query}");
        }
        let counts = teams::count_keys_of_members(&app.app, &admin).await.unwrap();
        assert_eq!(counts, [(admin.user_id().unwrap(), 1)]);
        // A key has nobody to hand keys over to.
        let program = app.program(&[Permission::TeamRemoveMember]).await;
        let user = app.user(app.team, Role::Viewer).await;
        let member = path(app.team, &format!("/members/{user}"));
        assert_eq!(program.delete(&format!("{member}?keys=hand-over")).await.status, 403);
        assert_eq!(program.delete(&member).await.status, 200);
    }

    async fn rules_are_changed_one_by_one_and_written_down(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let team = path(app.team, "");
        assert_eq!(admin.put(&team, json!({"masksAddresses": true})).await.data()["masksAddresses"], true);
        let data = admin.put(&team, json!({"name": "Owls", "revealsWithReason": true})).await.data();
        assert_eq!((&data["name"], &data["masksAddresses"], &data["revealsWithReason"]), (&json!("Owls"), &json!(true), &json!(true)));
        assert_eq!(admin.get(&team).await.data(), data);
        assert_eq!(admin.put(&team, json!({"masksNames": true})).await.status, 400);
        let filter = AuditFilter { actions: vec![AuditAction::TeamUpdated], ..AuditFilter::default() };
        let lines = app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap();
        assert_eq!(lines[0].before, Some(json!({"name": "Finch", "revealsWithReason": false})));
        assert_eq!(lines[0].after, Some(json!({"name": "Owls", "revealsWithReason": true})));
        // Who may not see addresses does not show them to everybody.
        let clerk = app.add_role("Clerk", &[Permission::TeamUpdate]).await;
        let clerk = app.sign_in(clerk).await;
        clerk.put(&team, json!({"masksAddresses": false})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: logs:reveal",
        );
        assert_eq!(admin.put(&team, json!({"masksAddresses": false})).await.data()["masksAddresses"], false);
    }

    async fn a_second_factor_is_demanded_only_by_who_has_one(app: TestApp) {
        let (admin_id, viewer) = (app.user(app.team, Role::Admin).await, app.sign_in(Role::Viewer).await);
        let admin = app.sign_in(Role::Admin).await;
        let (team, body) = (path(app.team, ""), json!({"demandsTwoFactor": true}));
        admin.put(&team, body.clone()).await.assert_error(
            403,
            "FORBIDDEN",
            "Set up two-factor authentication in your own profile before you demand it of others",
        );
        let program = app.program(&[Permission::TeamUpdate]).await;
        assert_eq!(program.put(&team, body.clone()).await.status, 403);
        set_up_two_factor(&app, admin_id).await;
        let page = admin.with("accept", "text/html").get("/settings/team").await;
        assert!(page.text.contains("1 member lacks it now"), "{}", page.text);
        assert_eq!(admin.put(&team, body).await.data()["demandsTwoFactor"], true);
        assert_eq!(viewer.get(&team).await.status, 403);
        assert_eq!(admin.get(&team).await.status, 200);
        let page = admin.with("accept", "text/html").get("/settings/members").await;
        assert!(page.text.contains("locked out until set up"));
        // A key and the other rules go on.
        assert_eq!(program.put(&team, json!({"revealsWithReason": true})).await.status, 200);
    }

    async fn nobody_gets_into_a_deleted_team(app: TestApp) {
        let owner_id = app.user(app.team, Role::Owner).await;
        let (owner, member) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Member).await);
        let member_id = app.user(app.team, Role::Member).await;
        crate::server::services::accounts::add_member(&app.app, app.other_team, member_id, Role::Viewer).await.unwrap();
        let program = app.program_of(app.team, PermissionSet::all()).await;
        let bound = app.program_bound_to(app.team, owner_id, PermissionSet::all()).await;
        let token = token_for(&app, "ada@wren.example", "viewer").await;
        let message = app.add_message(Message::default()).await;
        let send = json!({"to": "c@d.example", "from": "a@b.example", "subject": "s", "text": "t"});
        for (client, status) in [(&program, 200), (&bound, 200), (&owner, 200), (&member, 200)] {
            assert_eq!(client.get("/api/logs").await.status, status);
        }
        owner.delete(&path(app.team, "")).await.data();

        let stranger = app.client().with("authorization", "Bearer sl_live_nobodys");
        for client in [&program, &bound] {
            for place in ["/api/logs", "/api/templates", "/sendwithus/api/v1/logs", "/resend/emails"] {
                let (answer, refusal) = (client.get(place).await, stranger.get(place).await);
                assert!([401, 403].contains(&answer.status), "{place}: {}", answer.text);
                assert_eq!((answer.status, answer.text), (refusal.status, refusal.text), "{place}");
            }
            assert_eq!(client.post("/api/v1/send", send.clone()).await.status, 401);
            assert_eq!(client.post("/api/v1/events", json!([])).await.status, 401);
        }
        // Who is in another team sees that one.
        assert_eq!(member.get("/api/logs").await.status, 200);
        assert_eq!(member.get(&format!("/api/logs/{message}")).await.status, 404);
        assert_eq!(member.get(&path(app.team, "")).await.status, 404);
        assert_eq!(member.get(&path(app.other_team, "")).await.status, 200);
        let memberships = teams::list_memberships(&app.app, member_id).await.unwrap();
        assert_eq!(memberships.iter().map(|team| team.team_id).collect::<Vec<_>>(), [app.other_team]);
        // Who is in no other sees what everybody sees who has no team.
        let nobody = app.add_user("nobody@finch.example").await;
        let nobody = app.browser_of(nobody, None).await;
        for place in ["/api/logs".to_owned(), path(app.team, ""), "/logs".to_owned(), "/settings/team".to_owned()] {
            let (theirs, ours) = (nobody.get(&place).await, owner.get(&place).await);
            assert_eq!(ours.status, theirs.status, "{place}");
            assert!(ours.status != 200 && !ours.text.contains("Finch"), "{place}: {}", ours.text);
        }
        let unknown = page_status(&app, "/invite/unknown").await;
        assert_eq!(page_status(&app, &format!("/invite/{token}")).await, unknown);
        // Its name is free, and the deletion is in its audit log once.
        assert_eq!(teams::create_team(&app.app, owner_id, "Finch").await.unwrap().slug, "finch");
        let filter = AuditFilter { actions: vec![AuditAction::TeamDeleted], ..AuditFilter::default() };
        assert_eq!(app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap().len(), 1);
    }

    async fn of_two_owners_who_delete_a_team_one_does(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        teams::delete_team(&app.app, &owner).await.unwrap();
        assert!(matches!(teams::delete_team(&app.app, &owner).await, Err(AppError::NotFound(_))));
        let filter = AuditFilter { actions: vec![AuditAction::TeamDeleted], ..AuditFilter::default() };
        assert_eq!(app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap().len(), 1);
    }

    async fn a_team_is_deleted_by_its_name_alone(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        for typed in ["", "finch", "Wren"] {
            assert!(teams::delete_team_named(&app.app, &owner, typed).await.is_err());
        }
        assert!(app.store().find_team(app.team).await.unwrap().is_some());
        let admin = app.viewer(Role::Admin).await;
        assert!(teams::delete_team_named(&app.app, &admin, "Finch").await.is_err());
        teams::delete_team_named(&app.app, &owner, " Finch ").await.unwrap();
        assert!(app.store().find_team(app.team).await.unwrap().is_none());
    }
}
