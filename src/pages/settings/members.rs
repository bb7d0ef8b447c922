//! `/settings/members`

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::can::{Can, may};
use crate::components::field::{SelectField, TextField};
use crate::components::time::{Time, TimeStyle};
use crate::domain::permission::Permission;
use crate::domain::team::{Invite, Member, Role};
use crate::domain::viewer::Viewer;
use crate::server_fns::draft::Draft;
use crate::server_fns::members::{ChangeRole, DeleteInvite, InviteMember, MembersView, RemoveMember, load_members};

/// The people of the team, and invitations to it.
#[component]
pub fn MembersPage() -> impl IntoView {
    settings_page(Tab::Members, load_members(), |members| view! { <Members members/> })
}

#[component]
fn Members(members: MembersView) -> impl IntoView {
    let MembersView { members, roles, invites, draft } = members;
    let choices: Vec<(Role, String)> = roles.into_iter().map(|role| (role.role, role.name)).collect();
    let invitable = choices.clone();
    view! {
        <section class="panel" aria-label="Members">
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Member"</th>
                        <th role="columnheader" scope="col">"Role"</th>
                        <th role="columnheader" scope="col" class="wide-only">"Joined"</th>
                        <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{members.into_iter().map(|member| view! { <MemberRow member choices=choices.clone()/> }).collect_view()}</tbody>
            </table>
        </section>
        <Can permission=Permission::TeamInvite>
            <Invites invites=invites.clone() choices=invitable.clone() draft=draft.clone()/>
        </Can>
    }
}

#[component]
fn MemberRow(member: Member, choices: Vec<(Role, String)>) -> impl IntoView {
    let viewer = expect_context::<Viewer>();
    let is_self = viewer.user_id() == Some(member.user_id);
    let may_change = may(Permission::TeamUpdateRole) && !is_self;
    let may_remove = may(Permission::TeamRemoveMember) && !is_self && member.role != Role::Owner;
    let id = member.user_id.to_string();
    let role = if may_change {
        view! { <RoleForm id=id.clone() name=member.name.clone() role=member.role choices/> }.into_any()
    } else {
        view! { {member.role_name} }.into_any()
    };
    let remove = may_remove.then(|| {
        view! {
            <form method="post" action=RemoveMember::PATH>
                <button class="button small danger" name="user" value=id aria-label=format!("Remove {}", member.name)>"Remove"</button>
            </form>
        }
    });
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines">
                    <strong>{member.name} {is_self.then_some(" (you)")}</strong>
                    <span>{member.email}</span>
                </span>
            </td>
            <td role="cell">{role}</td>
            <td role="cell" class="wide-only"><Time at=member.joined_at style=TimeStyle::Day/></td>
            <td role="cell" class="actions">{remove}</td>
        </tr>
    }
}

#[component]
fn RoleForm(id: String, name: String, role: Role, choices: Vec<(Role, String)>) -> impl IntoView {
    let options = choices.into_iter().map(|(each, name)| {
        view! { <option value=each.to_string() selected={each == role}>{name}</option> }
    });
    view! {
        <form class="inline-form" method="post" action=ChangeRole::PATH>
            <input type="hidden" name="user" value=id/>
            <select name="role" aria-label=format!("Role of {name}")>{options.collect_view()}</select>
            <button class="button small">"Save"</button>
        </form>
    }
}

#[component]
fn Invites(invites: Vec<Invite>, choices: Vec<(Role, String)>, draft: Draft) -> impl IntoView {
    let invitable = choices.into_iter().filter(|(role, _)| *role != Role::Owner);
    let options = invitable.map(|(role, name)| (role.to_string(), name)).collect::<Vec<_>>();
    let pending = (!invites.is_empty()).then(|| {
        view! {
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Invited"</th>
                        <th role="columnheader" scope="col">"Role"</th>
                        <th role="columnheader" scope="col" class="wide-only">"Ends"</th>
                        <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{invites.into_iter().map(|invite| view! { <InviteRow invite/> }).collect_view()}</tbody>
            </table>
        }
    });
    view! {
        <section class="panel" aria-label="Invitations">
            <div class="panel-head"><h2>"Invite somebody"</h2></div>
            <form class="row-form panel-body" method="post" action=InviteMember::PATH>
                <TextField label="E-mail address" name="email" kind="email" value=draft.text("email")/>
                <SelectField label="Role" name="role" options selected=draft.get("role").unwrap_or_else(|| "viewer".to_owned())/>
                <button class="button primary">"Make a link"</button>
            </form>
            {pending}
        </section>
    }
}

#[component]
fn InviteRow(invite: Invite) -> impl IntoView {
    let label = format!("Withdraw the invitation of {}", invite.email);
    view! {
        <tr role="row">
            <td role="cell">{invite.email}</td>
            <td role="cell">{invite.role_name}</td>
            <td role="cell" class="wide-only"><Time at=invite.expires_at style=TimeStyle::Minute/></td>
            <td role="cell" class="actions">
                <form method="post" action=DeleteInvite::PATH>
                    <button class="button small danger" name="id" value=invite.id.to_string() aria-label=label>"Withdraw"</button>
                </form>
            </td>
        </tr>
    }
}
