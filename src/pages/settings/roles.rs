//! `/settings/roles`: roles × permissions as a grid of boxes, and the form that makes a role.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::address::query_value;
use crate::components::ask::WhomToAsk;
use crate::components::can::may;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::domain::draft::Draft;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server_fns::roles::{CreateRole, ROLES_PATH, RolesView, SaveRoleGrid, grant_name, load_roles, shown_role};

/// What each role may do. `?from=` is the role that a new one is cloned from.
#[component]
pub fn RolesPage() -> impl IntoView {
    let from = query_value("from");
    settings_page(Tab::Roles, load_roles(), move |roles| view! { <Roles roles from/> })
}

#[component]
fn Roles(roles: RolesView, from: Option<String>) -> impl IntoView {
    let RolesView { roles, sources, draft } = roles;
    let may_change = may(Permission::TeamUpdateRole);
    let intro = if may_change {
        "Tick what a role may do. Owners may always do everything. Open a role to see who has it.".into_any()
    } else {
        view! { "Your role cannot change roles. " <WhomToAsk/> " Open a role to see who has it." }.into_any()
    };
    let grid = view! { <Grid roles=roles.clone() may_change/> };
    view! {
        <p class="lead">{intro}</p>
        {may_change.then(|| view! { <NewRole sources draft from/> })}
        {if may_change {
            view! {
                <form method="post" action=mounted(SaveRoleGrid::PATH) data-grants="">
                    {saver()}
                    {shown_roles(&roles)}
                    {grid}
                    <div class="panel-foot without-script"><button class="button primary">"Save"</button></div>
                </form>
            }
            .into_any()
        } else {
            grid.into_any()
        }}
    }
}

/// Whether the viewer may not change this role at all: owners keep everything, and nobody changes their own role.
pub(super) fn is_locked(role: Role) -> bool {
    let own_role = use_context::<Viewer>().and_then(|viewer| viewer.role());
    !may(Permission::TeamUpdateRole) || role == Role::Owner || own_role == Some(role)
}

/// What the form says of each role that has boxes in it.
fn shown_roles(roles: &[RoleGrants]) -> impl IntoView {
    let open = roles.iter().filter(|grants| !is_locked(grants.role));
    // Brackets in the name: a form sends a list.
    open.map(|grants| view! { <input type="hidden" name="shown[]" value=shown_role(grants)/> }).collect_view()
}

#[component]
fn Grid(roles: Vec<RoleGrants>, may_change: bool) -> impl IntoView {
    let heads = roles.iter().map(|grants| {
        view! {
            <th scope="col">
                <a href=mounted(format!("{ROLES_PATH}/{}", grants.role))>{grants.name.clone()}</a>
                <span class="role-members">{counted(grants.members, "member", "members")}</span>
            </th>
        }
    });
    let (heads, columns) = (heads.collect_view(), roles.len() + 1);
    let groups = grouped_by_noun().into_iter().map(|(noun, permissions)| {
        let rows = permissions
            .into_iter()
            .map(|permission| view! { <GrantRow permission roles=roles.clone() may_change/> })
            .collect_view();
        view! {
            <tbody>
                <tr class="group"><th scope="colgroup" colspan=columns><span>{noun}</span></th></tr>
                {rows}
            </tbody>
        }
    });
    let groups = groups.collect_view();
    view! {
        <section class="panel scrolls" aria-label="Roles and permissions" tabindex="0">
            <table class="table role-grid">
                <thead><tr><th scope="col">"Permission"</th>{heads}</tr></thead>
                {groups}
            </table>
        </section>
    }
}

#[component]
fn GrantRow(permission: Permission, roles: Vec<RoleGrants>, may_change: bool) -> impl IntoView {
    let boxes = roles.into_iter().map(|grants| {
        let is_granted = grants.permissions.contains(permission);
        // Nobody grants what they do not hold.
        let is_locked = !may_change || is_locked(grants.role) || (!is_granted && !may(permission));
        view! { <td><Grant role=grants.role name=grants.name permission is_granted is_locked/></td> }
    });
    view! {
        <tr>
            <th scope="row">{permission.label()} <code>{permission.as_str()}</code></th>
            {boxes.collect_view()}
        </tr>
    }
}

#[component]
fn Grant(role: Role, name: String, permission: Permission, is_granted: bool, is_locked: bool) -> impl IntoView {
    let label = format!("{name}: {}", permission.label());
    if is_locked {
        let words = if is_granted { "granted" } else { "not granted" };
        return view! {
            <span class="grant" data-granted=is_granted.to_string()>
                {is_granted.then(|| view! { <Icon glyph=Glyph::Check/> })}
                <span class="visually-hidden">{format!("{label}: {words}")}</span>
            </span>
        }
        .into_any();
    }
    view! { <input type="checkbox" name="grants[]" value=grant_name(role, permission) checked=is_granted aria-label=label/> }
        .into_any()
}

/// What a script says in a form with `data-grants` of the box that it saves. It has a line of its own, so that it covers none.
pub(super) fn saver() -> impl IntoView {
    view! { <p class="saver needs-script" role="status">"Each tick applies at once."</p> }
}

#[component]
fn NewRole(sources: Vec<RoleGrants>, draft: Draft, from: Option<String>) -> impl IntoView {
    let nothing = (String::new(), "Nothing yet".to_owned());
    let sources = sources.into_iter().map(|grants| (grants.role.to_string(), format!("What “{}” may do", grants.name)));
    let options: Vec<(String, String)> = std::iter::once(nothing).chain(sources).collect();
    let is_open = from.is_some() || !draft.is_empty();
    let selected = draft.get("from").or(from).unwrap_or_else(|| Role::Viewer.to_string());
    view! {
        <details class="panel narrow fold" id="new-role" open=is_open>
            <summary>"Create a role" <Icon glyph=Glyph::Chevron/></summary>
            <form class="stack panel-body" method="post" action=mounted(CreateRole::PATH) aria-label="Create a role" data-unsaved="">
                <OfTeam/>
                <p class="hint">
                    "For people who do one kind of work: support that only looks, a designer who changes templates."
                </p>
                <TextField
                    label="Name"
                    name="name"
                    placeholder="Support"
                    max_length=40
                    value=draft.text("name")
                    error=draft.error("name")
                />
                <TextField
                    label="Description"
                    name="description"
                    placeholder="Answers customers and looks up their messages"
                    required=false
                    max_length=200
                    value=draft.text("description")
                    error=draft.error("description")
                />
                <SelectField
                    label="Starts with"
                    name="from"
                    options
                    selected
                    hint="A copy: later changes of the other role do not change this one. You choose its permissions on the next page."
                />
                <div class="form-foot"><button class="button primary">"Create the role"</button></div>
            </form>
        </details>
    }
}

/// The permissions by the noun before their colon, in the grid's order.
pub(super) fn grouped_by_noun() -> Vec<(&'static str, Vec<Permission>)> {
    let mut groups: Vec<(&'static str, Vec<Permission>)> = Vec::new();
    for permission in &Permission::ALL {
        let noun = noun_label(*permission);
        match groups.last_mut() {
            Some((last, permissions)) if *last == noun => permissions.push(*permission),
            _ => groups.push((noun, vec![*permission])),
        }
    }
    groups
}

const fn noun_label(permission: Permission) -> &'static str {
    use Permission::*;
    match permission {
        LogsView | LogsReveal | LogsResend | LogsResendAny | LogsExport | EmailsSend | EventsWrite => "Messages",
        RequestsView => "API requests",
        TemplatesView | TemplatesCreate | TemplatesUpdate | TemplatesDelete => "Templates",
        AdaptersView | AdaptersCreate | AdaptersUpdate | AdaptersDelete => "Adapters",
        WebhooksView | WebhooksCreate | WebhooksUpdate | WebhooksDelete => "Webhooks",
        SuppressionsView | SuppressionsUpdate => "Suppressions",
        AuditView => "Audit",
        ApiKeysView | ApiKeysCreate | ApiKeysRevoke => "API keys",
        PrivacyExport | PrivacyForget | HoldsUpdate => "Privacy",
        TeamUpdate | TeamInvite | TeamRemoveMember | TeamUpdateRole | TeamDelete => "Team",
    }
}
