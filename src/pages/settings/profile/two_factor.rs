//! The section about the second factor.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::copy_button::CopyButton;
use crate::components::field::TextField;
use crate::domain::account::{Square, TwoFactor};
use crate::domain::mount::mounted;
use crate::server_fns::profile::{
    BeginTwoFactor, CancelTwoFactor, ConfirmTwoFactor, DisableTwoFactor, RenewRecoveryCodes,
};

/// Sets the second factor up, step by step, and takes it away.
#[component]
pub fn TwoFactorSection(
    two_factor: TwoFactor,
    /// Whether the viewer's team demands it and the person lacks it.
    is_demanded: bool,
) -> impl IntoView {
    let demand = is_demanded.then(|| {
        view! { <p class="panel-body"><strong>"Your team requires this. Until you set it up, you cannot see its data."</strong></p> }
    });
    let content = match two_factor {
        TwoFactor::AtProvider => {
            view! { <p class="panel-body">"Your provider handles this when you log in."</p> }.into_any()
        }
        TwoFactor::Off => view! { <Off/> }.into_any(),
        TwoFactor::Begun { secret, square } => view! { <Begun secret square/> }.into_any(),
        TwoFactor::On { recovery_codes } => view! { <On recovery_codes/> }.into_any(),
    };
    view! {
        <section class="panel narrow" aria-label="Two-factor authentication">
            <div class="panel-head"><h2>"Two-factor authentication"</h2></div>
            {demand}
            {content}
        </section>
    }
}

#[component]
fn Off() -> impl IntoView {
    view! {
        <form class="stack panel-body" method="post" action=mounted(BeginTwoFactor::PATH)>
            <p>
                "When you log in, you then also type a code from an authenticator app on your phone. \
                 Your password alone no longer opens your account."
            </p>
            <div class="form-foot"><button class="button primary">"Set up"</button></div>
        </form>
    }
}

#[component]
fn Begun(secret: String, square: Square) -> impl IntoView {
    let field = format!("-4 -4 {0} {0}", square.width + 8);
    let side = (square.width + 8).to_string();
    view! {
        <form class="stack panel-body" method="post" action=mounted(ConfirmTwoFactor::PATH)>
            <p>"Scan the QR code with your authenticator app, or type the secret into it. Then enter the six digits that the app shows."</p>
            <svg class="qr" viewBox=field width="200" height="200" role="img" aria-label="QR code of the secret below">
                <rect x="-4" y="-4" width=side.clone() height=side fill="#fff"></rect>
                <path d=square.path fill="#000" shape-rendering="crispEdges"></path>
            </svg>
            <dl class="facts">
                <div class="fact">
                    <dt>"Secret"</dt>
                    <dd class="with-copy">
                        <code>{secret.clone()}</code>
                        <CopyButton text=secret.replace(' ', "") label="Copy secret".to_owned()/>
                    </dd>
                </div>
            </dl>
            <div class="short"><TextField label="Code" name="code" autocomplete="one-time-code"/></div>
            <div class="form-foot">
                <button class="button" formaction=mounted(CancelTwoFactor::PATH) formnovalidate=true>"Cancel"</button>
                <button class="button primary">"Confirm"</button>
            </div>
        </form>
    }
}

#[component]
fn On(recovery_codes: i64) -> impl IntoView {
    let left = match recovery_codes {
        0 => "No recovery code is left.".to_owned(),
        1 => "One recovery code is left.".to_owned(),
        codes => format!("{codes} recovery codes are left."),
    };
    view! {
        <div class="stack panel-body">
            <p>"Two-factor authentication is on: you need a code from your authenticator app to log in. " {left}</p>
            <form class="stack" method="post" action=mounted(RenewRecoveryCodes::PATH)>
                <h3>"New recovery codes"</h3>
                <div class="short">
                    <TextField
                        label="Code from your authenticator app"
                        name="renewal_code"
                        autocomplete="one-time-code"
                        hint="The old recovery codes stop working."
                    />
                </div>
                <div class="form-foot"><button class="button">"Create new codes"</button></div>
            </form>
            <form class="stack" method="post" action=mounted(DisableTwoFactor::PATH)>
                <h3>"Turn it off"</h3>
                <div class="short">
                    <TextField label="Your password" name="password" kind="password" autocomplete="current-password"/>
                </div>
                <div class="short">
                    <TextField label="Code or recovery code" name="code" autocomplete="one-time-code"/>
                </div>
                <div class="form-foot"><button class="button danger">"Turn off"</button></div>
            </form>
        </div>
    }
}
