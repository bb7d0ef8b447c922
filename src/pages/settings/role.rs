//! `/settings/roles/:role`: one role, who holds it and what it may do.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::roles::{grouped_by_noun, is_locked, saver};
use super::{Tab, settings_detail};
use crate::components::ask::WhomToAsk;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::history_link::HistoryLink;
use crate::components::number::counted;
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::team::{Member, Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server_fns::roles::{
    DeleteRole, ROLES_PATH, RenameRole, RoleView, SaveRoleGrid, grant_name, load_role, shown_role,
};

/// One role. Everybody in the team may look at it.
#[component]
pub fn RolePage() -> impl IntoView {
    let role = use_params_map().with_untracked(|params| params.get("role")).unwrap_or_default();
    let load = async move {
        let role: Role = role.parse().map_err(|_| AppError::not_found("Role"))?;
        load_role(role).await
    };
    settings_detail(Tab::Roles, load, |role: RoleView| {
        let title = role.grants.name.clone();
        let actions = view! { <RoleActions role=role.clone()/> }.into_any();
        (title, actions, view! { <OneRole role/> })
    })
}

#[component]
fn OneRole(role: RoleView) -> impl IntoView {
    let RoleView { grants, holders, invites, draft, .. } = role;
    let may_rename = may(Permission::TeamUpdateRole) && grants.role.is_custom();
    let about = about(&grants);
    view! {
        {(!about.is_empty()).then(|| view! { <p class="lead">{about}</p> })}
        <Holders holders invites/>
        {may_rename.then(|| view! { <NameForm grants=grants.clone() draft/> })}
        <Permissions grants/>
    }
}

/// Whom a role is for: the team's words, or ours for a built-in one, which hold whatever the team lets it do.
pub(super) fn about(grants: &RoleGrants) -> String {
    match grants.role {
        Role::Owner => "May always do everything. A team has at least one owner.".to_owned(),
        Role::Admin => "Built in, for people who run the team.".to_owned(),
        Role::Member => "Built in, for people who send messages and write templates.".to_owned(),
        Role::Viewer => "Built in, for people who look things up.".to_owned(),
        Role::Custom(_) => grants.description.clone(),
    }
}

#[component]
fn Holders(holders: Vec<Member>, invites: usize) -> impl IntoView {
    let invited = (invites > 0).then(|| {
        let count = counted(invites as i64, "open invitation leads", "open invitations lead");
        view! { <p class="hint">{count} " to this role."</p> }
    });
    let list = if holders.is_empty() {
        view! { <p class="hint">"Nobody has this role."</p> }.into_any()
    } else {
        let items = holders.into_iter().map(|member| {
            view! { <li class="two-lines"><strong>{member.name}</strong><span>{member.email}</span></li> }
        });
        view! { <ul class="holders">{items.collect_view()}</ul> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Who holds it">
            <div class="panel-head"><h2>"Who holds it"</h2></div>
            <div class="panel-body stack">{list}{invited}</div>
        </section>
    }
}

#[component]
fn NameForm(grants: RoleGrants, draft: Draft) -> impl IntoView {
    view! {
        <section class="panel narrow" aria-label="Name">
            <div class="panel-head"><h2>"Name"</h2></div>
            <form class="stack panel-body" method="post" action=mounted(RenameRole::PATH) data-unsaved="">
                <OfTeam/>
                <input type="hidden" name="role" value=grants.role.to_string()/>
                <TextField
                    label="Name"
                    name="name"
                    max_length=40
                    value=draft.get("name").unwrap_or(grants.name)
                    error=draft.error("name")
                />
                <TextField
                    label="Description"
                    name="description"
                    required=false
                    max_length=200
                    value=draft.get("description").unwrap_or(grants.description)
                    error=draft.error("description")
                />
                <div class="form-foot"><button class="button primary">"Save the name"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Permissions(grants: RoleGrants) -> impl IntoView {
    let role_is_locked = is_locked(grants.role);
    let own_role = use_context::<Viewer>().and_then(|viewer| viewer.role());
    let note = if grants.role == Role::Owner {
        "Owners have every permission.".into_any()
    } else if own_role == Some(grants.role) && may(Permission::TeamUpdateRole) {
        "This is your own role. Only somebody else can change it.".into_any()
    } else if role_is_locked {
        view! { "Your role cannot change roles. " <WhomToAsk/> }.into_any()
    } else {
        "You can only grant permissions that you have yourself.".into_any()
    };
    let shown = shown_role(&grants);
    let groups = grouped_by_noun().into_iter().map(|(noun, permissions)| {
        let boxes = permissions.into_iter().map(|permission| {
            let is_granted = grants.permissions.contains(permission);
            let is_disabled = role_is_locked || (!is_granted && !may(permission));
            view! {
                <label class="check">
                    <input
                        type="checkbox"
                        name="grants[]"
                        value=grant_name(grants.role, permission)
                        checked=is_granted
                        disabled=is_disabled
                    />
                    <span>{permission.label()} <code>{permission.as_str()}</code></span>
                </label>
            }
        });
        view! { <fieldset class="checks"><legend>{noun}</legend>{boxes.collect_view()}</fieldset> }
    });
    let groups = groups.collect_view();
    let body = if role_is_locked {
        view! { <div class="stack panel-body">{groups}</div> }.into_any()
    } else {
        view! {
            <form class="stack panel-body" method="post" action=mounted(SaveRoleGrid::PATH) data-grants="">
                {saver()}
                <input type="hidden" name="shown[]" value=shown/>
                {groups}
                <div class="form-foot without-script"><button class="button primary">"Save what it may do"</button></div>
            </form>
        }
        .into_any()
    };
    view! {
        <section class="panel" aria-label="What it may do">
            <div class="panel-head"><h2>"What it may do"</h2><p>{note}</p></div>
            {body}
        </section>
    }
}

#[component]
fn RoleActions(role: RoleView) -> impl IntoView {
    let RoleView { grants, holders, invites, successors, .. } = role;
    let history = view! { <HistoryLink object=grants.role.to_string()/> };
    if !may(Permission::TeamUpdateRole) {
        return history.into_any();
    }
    let own_role = use_context::<Viewer>().and_then(|viewer| viewer.role());
    let may_clone = grants.permissions.iter().all(may);
    let may_delete = grants.role.is_custom() && own_role != Some(grants.role);
    let clone = format!("{ROLES_PATH}?from={}#new-role", grants.role);
    view! {
        {history}
        <div class="page-actions">
            {may_clone.then(|| view! { <a class="button" href=mounted(clone)>"Clone"</a> })}
            {may_delete.then(|| view! { <DeleteDialog grants holders invites successors/> })}
        </div>
    }
    .into_any()
}

#[component]
fn DeleteDialog(
    grants: RoleGrants,
    holders: Vec<Member>,
    invites: usize,
    successors: Vec<RoleGrants>,
) -> impl IntoView {
    let names = holders.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(", ");
    let held = match (holders.len(), invites) {
        (0, 0) => "Nobody has this role, and no open invitation leads to it.".to_owned(),
        (0, _) => {
            format!(
                "Nobody has this role, but {} to it.",
                counted(invites as i64, "invitation leads", "invitations lead")
            )
        }
        (1, 0) => format!("{names} has this role."),
        (_, 0) => format!("{names} have this role."),
        (_, _) => format!(
            "This role is in use by {names}, and {} to it.",
            counted(invites as i64, "invitation leads", "invitations lead")
        ),
    };
    let options = successors.into_iter().map(|one| (one.role.to_string(), one.name)).collect::<Vec<_>>();
    view! {
        <Confirm
            id="delete-role"
            button="Delete"
            title=format!("Delete the role “{}”?", grants.name)
            confirm="Delete the role"
            action=DeleteRole::PATH
            fields=vec![("role", grants.role.to_string())]
        >
            <p>{held}</p>
            <SelectField
                label="Role for its members and invitations"
                name="successor"
                options
                selected=Role::Viewer.to_string()
            />
        </Confirm>
    }
}
