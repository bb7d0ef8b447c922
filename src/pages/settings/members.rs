//! `/settings/members`

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::role::about;
use super::{Tab, settings_page};
use crate::components::address::query_value;
use crate::components::ask::WhomToAsk;
use crate::components::can::{Can, may};
use crate::components::confirm::Confirm;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::filter::SearchForm;
use crate::components::history_link::HistoryLink;
use crate::components::number::counted;
use crate::components::time::{Time, TimeStyle};
use crate::domain::draft::Draft;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::team::{Invite, Member, Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server_fns::members::{
    ChangeRole, DeleteInvite, InviteMember, MembersView, RemoveMember, ResendInvite, load_members,
};
use crate::server_fns::roles::ROLES_PATH;

/// From so many members on there is a field to find one.
const MANY: usize = 10;

/// The longest text to find a member by, in characters.
const MAX_SOUGHT_CHARS: usize = 100;

/// The people of the team, and invitations to it. `?q=` shows those alone who have that in their name, address or role.
#[component]
pub fn MembersPage() -> impl IntoView {
    let query = query_value("q");
    let sought = query.map(|text| text.trim().chars().take(MAX_SOUGHT_CHARS).collect::<String>());
    let sought = sought.filter(|text| !text.is_empty());
    settings_page(Tab::Members, load_members(), |members| view! { <Members members sought/> })
}

/// Finds members by a part of their name, address or role.
#[component]
fn FindMember(sought: Option<String>, found: usize, total: usize) -> impl IntoView {
    let clear = sought.is_some().then(|| view! { <a class="clear" href=mounted("/settings/members")>"Show all"</a> });
    let words = match &sought {
        Some(_) => format!("{found} of {total}"),
        None => counted(total as i64, "member", "members"),
    };
    view! {
        <div class="filters">
            <SearchForm
                path="/settings/members"
                name="q"
                label="Find a member"
                value=sought
                max_chars=MAX_SOUGHT_CHARS
                kept=Vec::new()
            />
            {clear}
            <p class="filters-total">{words}</p>
        </div>
    }
}

/// Whether a member's name, address or role has the text, in any case of letters.
fn has(member: &Member, text: &str) -> bool {
    let text = text.to_lowercase();
    [&member.name, &member.email, &member.role_name].into_iter().any(|part| part.to_lowercase().contains(&text))
}

#[component]
fn Members(members: MembersView, sought: Option<String>) -> impl IntoView {
    let MembersView { members, all_roles, roles, keys, locked_out, invites, sends_mail, draft } = members;
    let choices: Vec<(Role, String)> = roles.into_iter().map(|role| (role.role, role.name)).collect();
    let invitable = choices.clone();
    let total = members.len();
    let mut members = members;
    members.retain(|member| sought.as_ref().is_none_or(|text| has(member, text)));
    let found = members.len();
    let find = (total >= MANY || sought.is_some()).then(|| view! { <FindMember sought found total/> });
    let nobody = (found == 0).then(|| view! { <p class="panel-body nothing">"No name, address or role matches."</p> });
    let rows = members.into_iter().map(|member| {
        let keys = keys.iter().find(|(user, _)| *user == member.user_id).map_or(0, |(_, count)| *count);
        let is_locked_out = locked_out.contains(&member.user_id);
        view! { <MemberRow member choices=choices.clone() keys is_locked_out/> }
    });
    let lacks_change = !may(Permission::TeamUpdateRole);
    view! {
        {lacks_change.then(|| view! { <p class="lead">"Your role cannot change the roles of members. " <WhomToAsk/></p> })}
        <section class="panel" aria-label="Members">
            {find}
            {nobody}
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Member"</th>
                        <th role="columnheader" scope="col">"Role"</th>
                        <th role="columnheader" scope="col" class="wide-only">"Two-factor"</th>
                        <th role="columnheader" scope="col" class="wide-only">"Joined"</th>
                        <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows.collect_view()}</tbody>
            </table>
        </section>
        <Can permission=Permission::TeamInvite>
            <Invites invites=invites.clone() choices=invitable.clone() sends_mail draft=draft.clone()/>
        </Can>
        <Roles roles=all_roles/>
    }
}

/// What the roles are for, and the way to what each may do.
#[component]
fn Roles(roles: Vec<RoleGrants>) -> impl IntoView {
    let roles = roles.into_iter().map(|grants| {
        let url = format!("{ROLES_PATH}/{}", grants.role);
        let about = about(&grants);
        view! { <div class="fact"><dt><a href=mounted(url)>{grants.name}</a></dt><dd>{about}</dd></div> }
    });
    view! {
        <section class="panel" aria-label="Roles">
            <div class="panel-head">
                <h2>"Roles"</h2>
                <p><a href=mounted(ROLES_PATH)>"Compare what each role may do"</a></p>
            </div>
            <dl class="facts panel-body">{roles.collect_view()}</dl>
        </section>
    }
}

#[component]
fn MemberRow(
    member: Member,
    choices: Vec<(Role, String)>,
    /// How many keys of the team the member made.
    keys: usize,
    /// Whether the team demands a second factor that the member does not have.
    is_locked_out: bool,
) -> impl IntoView {
    let viewer = expect_context::<Viewer>();
    let is_self = viewer.user_id() == Some(member.user_id);
    let is_theirs_to_change = member.role != Role::Owner || viewer.role() == Some(Role::Owner);
    let may_change = may(Permission::TeamUpdateRole) && !is_self && is_theirs_to_change;
    let may_remove = may(Permission::TeamRemoveMember) && !is_self && member.role != Role::Owner;
    let role = if may_change {
        view! { <RoleForm member=member.clone() choices/> }.into_any()
    } else {
        let why = match may(Permission::TeamUpdateRole) {
            true if is_self => Some("Nobody can change their own role."),
            true => Some("Only an owner can change the role of an owner."),
            false => None,
        };
        view! {
            <span class="two-lines">
                <span>{member.role_name.clone()}</span>
                {why.map(|why| view! { <span>{why}</span> })}
            </span>
        }
        .into_any()
    };
    let groups = member.follows_groups.then(|| {
        view! { <span class="tag" title="The role follows the groups at the OpenID provider. A change made here lasts until their next log-in.">"follows groups"</span> }
    });
    let two_factor = if member.has_two_factor {
        view! { "Set up" }.into_any()
    } else if is_locked_out {
        view! { <span class="tag">"locked out until set up"</span> }.into_any()
    } else {
        view! { <span class="nothing">"not set up"</span> }.into_any()
    };
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines">
                    <strong>{member.name.clone()} {is_self.then_some(" (you)")}</strong>
                    <span>{member.email.clone()} " " <HistoryLink object=member.user_id.to_string()/></span>
                </span>
            </td>
            <td role="cell">{role} {groups}</td>
            <td role="cell" class="wide-only">{two_factor}</td>
            <td role="cell" class="wide-only"><Time at=member.joined_at style=TimeStyle::Day/></td>
            <td role="cell" class="actions">{may_remove.then(|| view! { <RemoveDialog member keys/> })}</td>
        </tr>
    }
}

/// Asks before a member is removed, and what becomes of the keys that they made.
#[component]
fn RemoveDialog(member: Member, keys: usize) -> impl IntoView {
    let choice = (keys > 0).then(|| {
        let count = counted(keys as i64, "API key", "API keys");
        view! {
            <fieldset class="choices">
                <legend>{format!("{} created {count} of the team.", member.name)}</legend>
                <label class="check">
                    <input type="radio" name="hand_over_keys" value="false" checked/>
                    "Revoke them. Programs that use them get an error at once."
                </label>
                <label class="check">
                    <input type="radio" name="hand_over_keys" value="true"/>
                    "Transfer them to me. They keep working."
                </label>
            </fieldset>
        }
    });
    view! {
        <Confirm
            id=format!("remove-{}", member.user_id)
            button="Remove"
            label=format!("Remove {}", member.name)
            small=true
            title=format!("Remove {}?", member.name)
            confirm="Remove from the team"
            action=RemoveMember::PATH
            fields=vec![("user", member.user_id.to_string())]
        >
            <p><strong>{member.email}</strong> " loses access to the team at once."</p>
            {choice}
        </Confirm>
    }
}

#[component]
fn RoleForm(member: Member, choices: Vec<(Role, String)>) -> impl IntoView {
    let Member { user_id, name, role, role_name, .. } = member;
    // The present role stands there too where the viewer could not give it.
    let present = (!choices.iter().any(|(each, _)| *each == role)).then_some((role, role_name));
    let options = present.into_iter().chain(choices).map(|(each, name)| {
        view! { <option value=each.to_string() selected={each == role}>{name}</option> }
    });
    view! {
        <form class="inline-form" method="post" action=mounted(ChangeRole::PATH) data-unsaved="">
            <input type="hidden" name="user" value=user_id.to_string()/>
            <select name="role" aria-label=format!("Role of {name}")>{options.collect_view()}</select>
            <button class="button small">"Save"</button>
            // Scripts say by `data-changed` when it is so.
            <span role="status"><span class="not-saved">"Not saved"</span></span>
        </form>
    }
}

#[component]
fn Invites(invites: Vec<Invite>, choices: Vec<(Role, String)>, sends_mail: bool, draft: Draft) -> impl IntoView {
    let way = if sends_mail {
        "We send an email with a link. The link works for seven days, and only for this address."
    } else {
        "The team has no mail adapter yet, so you send the link yourself. It works for seven days, and only for this address."
    };
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
            <div class="panel-head"><h2>"Invite somebody"</h2><p>{way}</p></div>
            <form class="row-form panel-body" method="post" action=mounted(InviteMember::PATH)>
                <OfTeam/>
                <TextField label="Email address" name="email" kind="email" value=draft.text("email")/>
                <SelectField label="Role" name="role" options selected=draft.get("role").unwrap_or_else(|| "viewer".to_owned())/>
                <button class="button primary">"Invite"</button>
            </form>
            {pending}
        </section>
    }
}

#[component]
fn InviteRow(invite: Invite) -> impl IntoView {
    let withdraw = format!("Withdraw the invitation of {}", invite.email);
    let again = format!("Send the invitation of {} again", invite.email);
    let id = invite.id.to_string();
    view! {
        <tr role="row">
            <td role="cell">{invite.email.clone()}</td>
            <td role="cell">{invite.role_name}</td>
            <td role="cell" class="wide-only"><Time at=invite.expires_at style=TimeStyle::Minute/></td>
            <td role="cell" class="actions">
                <form method="post" action=mounted(ResendInvite::PATH)>
                    <button class="button small" name="id" value=id.clone() aria-label=again>"Send again"</button>
                </form>
                <Confirm
                    id=format!("withdraw-{id}")
                    button="Withdraw"
                    label=withdraw
                    small=true
                    title="Withdraw the invitation?"
                    confirm="Withdraw"
                    action=DeleteInvite::PATH
                    fields=vec![("id", id)]
                >
                    <p>"The link that " <strong>{invite.email}</strong> " has stops working. You can invite them again."</p>
                </Confirm>
            </td>
        </tr>
    }
}
