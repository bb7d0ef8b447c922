//! The section about the password.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::field::TextField;
use crate::domain::mount::mounted;
use crate::pages::access::MIN_PASSWORD_CHARS;
use crate::server_fns::profile::ChangePassword;

/// Changes the password; an account without one is told how to get one.
#[component]
pub fn Password(email: String, has_password: bool) -> impl IntoView {
    let content = if has_password {
        view! {
            <form class="stack panel-body" method="post" action=mounted(ChangePassword::PATH)>
                // Lets password managers know which account this is.
                <input type="hidden" autocomplete="username" value=email/>
                <TextField
                    label="Current password"
                    name="present_password"
                    kind="password"
                    autocomplete="current-password"
                />
                <TextField
                    label="New password"
                    name="new_password"
                    kind="password"
                    autocomplete="new-password"
                    min_length=MIN_PASSWORD_CHARS
                    hint="At least 10 characters. Your other sessions end."
                />
                <TextField
                    label="New password again"
                    name="new_password_again"
                    kind="password"
                    autocomplete="new-password"
                    min_length=MIN_PASSWORD_CHARS
                />
                <div class="form-foot"><button class="button primary">"Change password"</button></div>
            </form>
        }
        .into_any()
    } else {
        view! {
            <p class="panel-body">
                "Your account has no password. You log in with your provider. "
                <a href=mounted("/forgot")>"An email"</a>
                " lets you set one."
            </p>
        }
        .into_any()
    };
    view! {
        <section class="panel narrow" aria-label="Password">
            <div class="panel-head"><h2>"Password"</h2></div>
            {content}
        </section>
    }
}
