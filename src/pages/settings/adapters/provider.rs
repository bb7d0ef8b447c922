//! The fields of a provider's adapter: its API's address, its key in its own words, and a setting where it has one.

use leptos::prelude::*;

use super::secret::Secret;
use crate::components::field::TextField;
use crate::domain::adapter::AdapterKind;
use crate::domain::adapter::form::{HttpForm, KeptLogIn, MOST_PER_SECOND, PACE_WORDS};
use crate::domain::adapter::provider::ProviderForm;
use crate::domain::draft::Draft;
use crate::domain::field_rule::FieldRule;
use crate::domain::plain_words::sentence;

#[component]
pub(super) fn ProviderFields(kind: AdapterKind, form: HttpForm, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    kind.provider_form().map(|asked| view! { <Fields asked form kept draft/> })
}

#[component]
fn Fields(asked: ProviderForm, form: HttpForm, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    let ProviderForm { address, address_hint, user, key, key_hint, setting } = asked;
    let shown = |field: &str, now: String| draft.get(field).unwrap_or(now);
    let address = if form.url.is_empty() { address.to_owned() } else { form.url.clone() };
    let has_moved =
        !form.url.is_empty() && draft.get("http[url]").is_some_and(|typed| !form.url.ends_with(typed.trim()));
    let name = if user.is_some() { "http[password]" } else { "http[token]" };
    let secret = Secret { name, what: "key", place: "address", is_kept: kept != KeptLogIn::None, has_moved };
    let (hint, error) = secret.words(&draft, key_hint);
    let user = user.map(|label| {
        let value = shown("http[user]", form.user.clone());
        view! { <TextField label name="http[user]" value error=draft.error("http[user]")/> }
    });
    let setting = setting.map(|setting| {
        view! {
            <TextField
                label=setting.label
                name="http[setting]"
                hint=setting.hint
                required=false
                value=shown("http[setting]", form.setting.clone())
                error=draft.error("http[setting]")
            />
        }
    });
    view! {
        {user}
        <TextField
            label=key
            name
            kind="password"
            autocomplete="new-password"
            hint
            required=kept == KeptLogIn::None
            error
        />
        {setting}
        <TextField
            label="Messages a second"
            name="http[per_second]"
            rule=(FieldRule::Number { min: 1, max: MOST_PER_SECOND }, sentence(PACE_WORDS))
            hint="How fast messages go out at most. Leave it empty for the provider’s own pace."
            required=false
            value=shown("http[per_second]", form.per_second.clone())
            error=draft.error("http[per_second]")
        />
        <TextField
            label="API address"
            name="http[url]"
            hint=address_hint
            value=shown("http[url]", address)
            error=draft.error("http[url]")
        />
    }
}
