//! The pages for people without a session: log-in in its steps, a new password, the set-up of a new database, an
//! invitation.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::layout::{PageTitle, bare};
use crate::components::address::query_value;
use crate::components::field::TextField;
use crate::domain::address;
use crate::domain::draft::Draft;
use crate::domain::mailbox::address_key;
use crate::domain::mount::mounted;
use crate::server_fns::access::{
    AcceptInvite, ForgotPassword, InviteView, JoinTeam, LogIn, LogInView, LogInWithCode, ResetPassword, SetUp,
    load_code_request, load_invite, load_log_in, load_reset, safe_next,
};
use crate::server_fns::draft::load_draft;

/// The fewest characters of a new password, as [crate::server] demands them.
pub(super) const MIN_PASSWORD_CHARS: u16 = 10;

/// `/login`. `?next=` is where it leads.
#[component]
pub fn LogInPage() -> impl IntoView {
    let next = query_value("next").unwrap_or_default();
    bare(load_log_in(), move |LogInView { provider, awaited, draft }: LogInView| {
        let provider = provider.map(|(name, is_reachable)| view! { <Provider name is_reachable next=next.clone()/> });
        let email = draft.get("email").or(awaited).unwrap_or_default();
        let has_email = !email.is_empty();
        view! {
            <PageTitle text="Log in"/>
            <form class="stack" method="post" action=mounted(LogIn::PATH)>
                <input type="hidden" name="next" value=safe_next(&next).to_owned()/>
                {time_zone_field()}
                <TextField
                    label="Email address"
                    name="email"
                    kind="email"
                    autocomplete="username"
                    value=email
                    autofocus=!has_email
                />
                <TextField
                    label="Password"
                    name="password"
                    kind="password"
                    autocomplete="current-password"
                    autofocus=has_email
                />
                <button class="button primary wide">"Log in"</button>
            </form>
            <p class="hint"><a href=mounted("/forgot")>"Forgot your password?"</a></p>
            {provider}
        }
    })
}

/// The link to the OpenID provider. A form's answer must not lead to another site, a link may.
#[component]
fn Provider(name: String, is_reachable: bool, next: String) -> impl IntoView {
    if !is_reachable {
        let sentence = format!("{name} cannot be reached at present. Use your password, or try again in a moment.");
        return view! { <p class="hint">{sentence}</p> }.into_any();
    }
    let address = address::url("/login/openid", vec![("next", safe_next(&next).to_owned())]);
    view! { <a class="button wide" href=mounted(address)>{format!("Log in with {name}")}</a> }.into_any()
}

/// `/login/code`: the second step of a log-in. `?next=` is where it leads.
#[component]
pub fn CodePage() -> impl IntoView {
    let next = query_value("next").unwrap_or_default();
    bare(load_code_request(), move |is_awaited: bool| {
        let form = view! {
            <p class="lead">"Type the six digits that your authenticator shows, or one of your recovery codes."</p>
            <form class="stack" method="post" action=mounted(LogInWithCode::PATH)>
                <input type="hidden" name="next" value=safe_next(&next).to_owned()/>
                <TextField label="Code" name="code" autocomplete="one-time-code" autofocus=true/>
                <button class="button primary wide">"Log in"</button>
            </form>
            <p class="hint"><a href=mounted("/login")>"Log in as somebody else"</a></p>
        };
        let ended = view! {
            <p class="lead">"This log-in has ended or was not begun here."</p>
            <p><a class="button wide" href=mounted("/login")>"Log in"</a></p>
        };
        view! {
            <PageTitle text="Two-factor authentication"/>
            {if is_awaited { form.into_any() } else { ended.into_any() }}
        }
    })
}

/// `/forgot`: asks for an email with a link for a new password.
#[component]
pub fn ForgotPage() -> impl IntoView {
    bare(async { Ok(()) }, |()| {
        view! {
            <PageTitle text="Forgot your password?"/>
            <p class="lead">"We send an email with a link to set a new one."</p>
            <form class="stack" method="post" action=mounted(ForgotPassword::PATH)>
                <TextField label="Email address" name="email" kind="email" autocomplete="username" autofocus=true/>
                <button class="button primary wide">"Send the email"</button>
            </form>
            <p class="hint"><a href=mounted("/login")>"Back to the log-in"</a></p>
        }
    })
}

/// `/reset/:token`: sets the password that an email's link allows.
#[component]
pub fn ResetPage() -> impl IntoView {
    let token = use_params_map().with_untracked(|params| params.get("token")).unwrap_or_default();
    bare(load_reset(token.clone()), move |email: String| {
        view! {
            <PageTitle text="Set a new password"/>
            <p class="lead">"For the account " <strong>{email.clone()}</strong> ". Every session of it ends."</p>
            <form class="stack" method="post" action=mounted(ResetPassword::PATH)>
                <input type="hidden" name="token" value=token/>
                // Lets password managers know which account this is.
                <input type="hidden" autocomplete="username" value=email/>
                <TextField
                    label="New password"
                    name="password"
                    kind="password"
                    autocomplete="new-password"
                    min_length=MIN_PASSWORD_CHARS
                    hint="At least 10 characters."
                    autofocus=true
                />
                <button class="button primary wide">"Set the password"</button>
            </form>
        }
    })
}

/// `/setup?token=`: the first account and its team.
#[component]
pub fn SetUpPage() -> impl IntoView {
    let token = query_value("token");
    bare(load_draft("set_up".to_owned()), move |draft: Draft| {
        view! {
            <PageTitle text="Set up Sendlog"/>
            <p class="lead">"This creates your account, the owner of a new team."</p>
            <form class="stack" method="post" action=mounted(SetUp::PATH)>
                <input type="hidden" name="token" value=token/>
                {time_zone_field()}
                <TextField label="Your name" name="name" autocomplete="name" value=draft.text("name") autofocus=true/>
                <TextField label="Email address" name="email" kind="email" autocomplete="username" value=draft.text("email")/>
                <TextField
                    label="Password"
                    name="password"
                    kind="password"
                    autocomplete="new-password"
                    min_length=MIN_PASSWORD_CHARS
                    hint="At least 10 characters."
                />
                <TextField label="Team" name="team_name" autocomplete="organization" value=draft.text("team_name")/>
                <button class="button primary wide">"Create account and team"</button>
            </form>
        }
    })
}

/// `/invite/:token`
#[component]
pub fn InvitePage() -> impl IntoView {
    let token = use_params_map().with_untracked(|params| params.get("token")).unwrap_or_default();
    let asked = token.clone();
    let load = async move { Ok((load_invite(asked).await?, load_draft("accept_invite".to_owned()).await?)) };
    bare(load, move |(invite, draft): (InviteView, Draft)| view! { <Invite token invite draft/> })
}

#[component]
fn Invite(token: String, invite: InviteView, draft: Draft) -> impl IntoView {
    let InviteView { email, role_name, team_name, logged_in_as } = invite;
    let is_theirs = logged_in_as.as_ref().is_some_and(|account| address_key(account) == address_key(&email));
    let role = format!("with the role “{role_name}”");
    let form = if is_theirs {
        view! {
            <form class="stack" method="post" action=mounted(JoinTeam::PATH)>
                <input type="hidden" name="token" value=token/>
                <button class="button primary wide">"Join the team"</button>
            </form>
        }
        .into_any()
    } else {
        view! { <NewAccount token email=email.clone() draft/> }.into_any()
    };
    view! {
        <PageTitle text=format!("Join {team_name}")/>
        <p class="lead">"You are invited " {role} ". The invitation is for " <strong>{email}</strong> "."</p>
        {logged_in_as
            .filter(|_| !is_theirs)
            .map(|account| view! { <p class="hint">"You are logged in as " {account} "; this continues as the invited address."</p> })}
        {form}
    }
}

#[component]
fn NewAccount(token: String, email: String, draft: Draft) -> impl IntoView {
    view! {
        <form class="stack" method="post" action=mounted(AcceptInvite::PATH)>
            <input type="hidden" name="token" value=token/>
            // Lets password managers know which account this is.
            <input type="hidden" autocomplete="username" value=email/>
            {time_zone_field()}
            <TextField label="Your name" name="name" autocomplete="name" value=draft.text("name") autofocus=true/>
            <TextField
                label="Password"
                name="password"
                kind="password"
                autocomplete="new-password"
                min_length=MIN_PASSWORD_CHARS
                hint="At least 10 characters. Use your present password if this address already has an account."
            />
            <button class="button primary wide">"Join the team"</button>
        </form>
    }
}

/// The browser's time zone, which a script writes. Without one it is empty, and the server assumes UTC until the person
/// chooses.
fn time_zone_field() -> impl IntoView {
    view! { <input type="hidden" name="time_zone" data-time-zone=""/> }
}
