//! The preview beside a template's form, and the test to oneself. Its fields belong to that form, and its button posts it
//! into the frame: it works without scripts, and nothing typed is lost.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::can::may;
use crate::components::field::SourceField;
use crate::domain::permission::Permission;
use crate::server_fns::templates::{IMAGES_FIELD, PREVIEW_PATH, TestTemplate};

/// The name of the frame.
const FRAME: &str = "template-preview";

/// The id of the form.
pub(super) const FORM: &str = "template-form";

#[component]
pub(super) fn Preview(
    /// A JSON object.
    sample: String,
    /// What was wrong with it.
    error: Option<String>,
) -> impl IntoView {
    let may_send = may(Permission::EmailsSend);
    let test = may_send.then(|| {
        view! {
            <button class="button" form=FORM formaction=TestTemplate::PATH formnovalidate>"Send me a test"</button>
        }
    });
    view! {
        <section class="panel template-look" aria-label="Preview" id="preview">
            <div class="panel-head"><h2>"Preview"</h2></div>
            <div class="panel-body stack">
                <SourceField
                    label="Sample values"
                    name="sample"
                    form=FORM
                    rows=6
                    value=sample
                    hint="The variables of the preview, as JSON. You find them here again next time; nobody else sees them."
                    error
                />
                <label class="check">
                    <input type="checkbox" name=IMAGES_FIELD value="1" form=FORM/>
                    "Load images from other servers"
                </label>
                <div class="form-foot">
                    {test}
                    <button class="button" form=FORM formaction=PREVIEW_PATH formtarget=FRAME formnovalidate>"Preview"</button>
                </div>
                <iframe
                    class="template-preview"
                    name=FRAME
                    sandbox=""
                    // The page's policy holds in here too: no style, inline or other.
                    srcdoc="<font face='system-ui, sans-serif' color='#555'>“Preview” shows it here.</font>"
                    title="The template with the sample values"
                ></iframe>
                {may_send.then(|| view! {
                    <p class="hint">
                        "A test goes to your own address by the default mail adapter. It is not in the log or the statistics."
                    </p>
                })}
            </div>
        </section>
    }
}
