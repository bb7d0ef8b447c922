//! Shows its children to those who may.

use leptos::prelude::*;

use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;

/// Renders its children where the viewer holds `permission`. The services check it again; this only keeps buttons away
/// from people whom they would not obey.
#[component]
pub fn Can(permission: Permission, children: ChildrenFn) -> impl IntoView {
    may(permission).then(|| children())
}

/// Whether the viewer of the page that is being rendered holds `permission`.
pub fn may(permission: Permission) -> bool {
    use_context::<Viewer>().is_some_and(|viewer| viewer.may(permission))
}
