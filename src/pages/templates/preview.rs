//! The preview beside a template's form, and the test to oneself. Its fields belong to that form, and its button posts it
//! into the frame: it works without scripts, and nothing typed is lost.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::can::may;
use crate::domain::permission::Permission;
use crate::server_fns::templates::{PREVIEW_PATH, TestTemplate};

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
    let test = may(Permission::EmailsSend).then(|| {
        view! {
            <button class="button" form=FORM formaction=TestTemplate::PATH formnovalidate>"Send me a test"</button>
        }
    });
    let is_wrong = error.is_some().then_some("true");
    view! {
        <section class="panel" aria-label="Preview" id="preview">
            <div class="panel-head"><h2>"Preview"</h2></div>
            <div class="panel-body stack">
                <div class="field">
                    <label for="sample">"Sample values"</label>
                    // A text area drops one line break at its beginning.
                    <textarea
                        id="sample"
                        name="sample"
                        form=FORM
                        rows=6
                        spellcheck="false"
                        class="source"
                        aria-describedby="sample-hint"
                        aria-invalid=is_wrong
                    >
                        {format!("\n{sample}")}
                    </textarea>
                    {error.map(|error| view! { <p class="field-error">{error}</p> })}
                    <p class="hint" id="sample-hint">
                        "What the variables are in the preview, as JSON. A test goes to your own address by the default mail "
                        "server; it is in no log and in no statistics."
                    </p>
                </div>
                <div class="form-foot">
                    {test}
                    <button class="button" form=FORM formaction=PREVIEW_PATH formtarget=FRAME formnovalidate>"Preview"</button>
                </div>
                <iframe class="template-preview" name=FRAME sandbox="" title="The template with the sample values"></iframe>
            </div>
        </section>
    }
}
