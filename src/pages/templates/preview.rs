//! The preview beside a template's form. Its fields belong to that form, which is sent to be looked at, and whose page comes
//! back with what was typed and with a frame that shows it. With scripts the page stays, and what is new is put into it.

use leptos::prelude::*;

use crate::components::can::may;
use crate::components::field::SourceField;
use crate::domain::address;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::templates::{IMAGES_FIELD, PREVIEW_PATH, SAMPLE_FIELD};

/// The id of the form.
pub(super) const FORM: &str = "template-form";

/// What the frame says before there is a preview. The page's policy holds in there too: no style, inline or other.
const NOTHING_YET: &str = "<font face='system-ui, sans-serif' color='#555'>“Preview” shows it here.</font>";

#[component]
pub(super) fn Preview(
    /// A JSON object.
    sample: String,
    /// Whether images load from other servers.
    shows_images: bool,
    /// The form of which the frame shows what was kept, where something was.
    shown: Option<String>,
    /// What was wrong with the sample values.
    error: Option<String>,
) -> impl IntoView {
    let nothing = shown.is_none().then_some(NOTHING_YET);
    let source = shown.map(|form| address::url(PREVIEW_PATH, vec![("form", form)]));
    view! {
        <section class="panel template-look" aria-label="Preview" id="preview">
            <div class="panel-head"><h2>"Preview"</h2></div>
            <div class="panel-body stack">
                <SourceField
                    label="Sample values"
                    name=SAMPLE_FIELD
                    form=FORM
                    rows=6
                    value=sample
                    hint="A value for each variable, as JSON. You find them here again next time; nobody else sees them."
                    error
                />
                <label class="check">
                    <input type="checkbox" name=IMAGES_FIELD value="1" form=FORM checked=shows_images/>
                    "Load images from other servers"
                </label>
                <iframe
                    class="template-preview"
                    name="template-preview"
                    sandbox=""
                    src=mounted(source)
                    srcdoc=nothing
                    title="The template with the sample values"
                ></iframe>
                {may(Permission::EmailsSend).then(|| view! {
                    <p class="hint">
                        "A test goes to your own address by the default mail adapter. It is not in the log or the statistics."
                    </p>
                })}
            </div>
        </section>
    }
}
