//! `/settings/roles`: roles × permissions as a grid of boxes.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos::task::spawn_local;
use leptos::web_sys::HtmlInputElement;
use leptos::web_sys::wasm_bindgen::JsCast;

use super::{Tab, settings_page};
use crate::components::can::may;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server_fns::roles::{SaveRoleGrid, grant_name, load_roles, set_role_permission};

/// What each role may do.
#[component]
pub fn RolesPage() -> impl IntoView {
    settings_page(Tab::Roles, load_roles(), |roles| view! { <Roles roles/> })
}

#[component]
fn Roles(mut roles: Vec<RoleGrants>) -> impl IntoView {
    let may_change = may(Permission::TeamUpdateRole);
    roles.sort_by_key(|grants| std::cmp::Reverse(grants.role));
    let intro = if may_change {
        "Changes hold from a member's next request on. Owners always may do everything."
    } else {
        "An owner of the team can change what a role may do."
    };
    let grid = view! { <Grid roles may_change/> };
    view! {
        <p class="lead">{intro}</p>
        <section class="panel scroll-x" aria-label="Roles and permissions" tabindex="0">
            {if may_change {
                view! {
                    <GrantSaver>
                        <form method="post" action=SaveRoleGrid::PATH>
                            {grid}
                            <div class="panel-foot without-script"><button class="button primary">"Save"</button></div>
                        </form>
                    </GrantSaver>
                }
                .into_any()
            } else {
                grid.into_any()
            }}
        </section>
    }
}

#[component]
fn Grid(roles: Vec<RoleGrants>, may_change: bool) -> impl IntoView {
    let heads = roles.iter().map(|grants| {
        view! {
            <th scope="col">
                {grants.name.clone()}
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
                <tr class="group"><th scope="colgroup" colspan=columns>{noun}</th></tr>
                {rows}
            </tbody>
        }
    });
    let groups = groups.collect_view();
    view! {
        <table class="table role-grid">
            <thead><tr><th scope="col">"Permission"</th>{heads}</tr></thead>
            {groups}
        </table>
    }
}

#[component]
fn GrantRow(permission: Permission, roles: Vec<RoleGrants>, may_change: bool) -> impl IntoView {
    let own_role = use_context::<Viewer>().and_then(|viewer| viewer.role());
    let boxes = roles.into_iter().map(|grants| {
        let is_locked = !may_change || grants.role == Role::Owner || own_role == Some(grants.role);
        let is_granted = grants.permissions.contains(permission);
        view! { <td><Grant role=grants.role name=grants.name permission is_granted is_locked/></td> }
    });
    view! {
        <tr>
            <th scope="row">{permission.description()} <code>{permission.as_str()}</code></th>
            {boxes.collect_view()}
        </tr>
    }
}

#[component]
fn Grant(role: Role, name: String, permission: Permission, is_granted: bool, is_locked: bool) -> impl IntoView {
    let label = format!("{name}: {}", permission.description());
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
    // Brackets in the name: a form sends a list.
    view! { <input type="checkbox" name="grants[]" value=grant_name(role, permission) checked=is_granted aria-label=label/> }
        .into_any()
}

/// Saves each box at once when it is ticked or unticked, and says so.
#[island]
fn GrantSaver(children: Children) -> impl IntoView {
    let (message, set_message) = signal((false, None::<String>));
    let save = move |event: leptos::ev::Event| {
        let Some(input) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else { return };
        let (name, is_granted) = (input.value(), input.checked());
        let Some((role, permission)) = name.split_once(' ') else { return };
        let (Ok(role), Ok(permission)) = (role.parse::<Role>(), permission.parse::<Permission>()) else { return };
        set_message.set((false, Some("Saving …".to_owned())));
        spawn_local(async move {
            match set_role_permission(role, permission, is_granted).await {
                Ok(()) => {
                    let saved = format!("Saved: {}", permission.as_str());
                    set_message.set((false, Some(saved)));
                }
                Err(error) => {
                    input.set_checked(!is_granted);
                    set_message.set((true, Some(error.to_string())));
                }
            }
        });
    };
    view! {
        <div on:change=save>
            {children()}
            <p class="saver" role="status" data-empty=move || message.get().1.is_none().to_string() data-error=move || message.get().0.to_string()>{move || message.get().1}</p>
        </div>
    }
}

/// The permissions by the noun before their colon, in the grid's order.
pub(super) fn grouped_by_noun() -> Vec<(&'static str, Vec<Permission>)> {
    let mut groups: Vec<(&'static str, Vec<Permission>)> = Vec::new();
    for permission in Permission::ALL {
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
        LogsView | LogsReveal | LogsResend | LogsExport | EmailsSend | EventsWrite => "Messages",
        RequestsView => "API requests",
        TemplatesView | TemplatesCreate | TemplatesUpdate | TemplatesDelete => "Templates",
        AdaptersView | AdaptersCreate | AdaptersUpdate | AdaptersDelete => "Adapters",
        WebhooksView | WebhooksCreate | WebhooksUpdate | WebhooksDelete => "Webhooks",
        AlertsManage => "Alerts",
        AuditView => "Audit",
        ApiKeysView | ApiKeysCreate | ApiKeysRevoke => "API keys",
        TeamUpdate | TeamInvite | TeamRemoveMember | TeamUpdateRole | TeamDelete => "Team",
    }
}
