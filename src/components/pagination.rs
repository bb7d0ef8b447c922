//! The pages of a list, as links.

use leptos::prelude::*;

use crate::domain::mount::mounted;

/// Previous, a window of page numbers, next.
#[component]
pub fn Pagination(
    /// The page that is shown, from 1.
    page: i64,
    /// How many pages there are.
    total_pages: i64,
    /// The address of a page.
    to_url: Box<dyn Fn(i64) -> String + Send>,
) -> impl IntoView {
    let step = |label: &'static str, target: i64, rel: &'static str| {
        if (1..=total_pages).contains(&target) {
            view! { <a class="page-step" href=mounted(to_url(target)) rel=rel>{label}</a> }.into_any()
        } else {
            view! { <span class="page-step" aria-hidden="true">{label}</span> }.into_any()
        }
    };
    let (previous, next) = (step("Previous", page - 1, "prev"), step("Next", page + 1, "next"));
    let numbers = window_of(page, total_pages)
        .into_iter()
        .map(|entry| match entry {
            Entry::Gap => view! { <li class="page-gap" aria-hidden="true">"…"</li> }.into_any(),
            Entry::Page { number, is_near } => {
                let current = (number == page).then_some("page");
                view! {
                    <li data-far=(!is_near).then_some("")>
                        <a class="page-number" href=mounted(to_url(number)) aria-current=current>
                            <span class="visually-hidden">"Page "</span>
                            {super::number::grouped(number)}
                        </a>
                    </li>
                }
                .into_any()
            }
        })
        .collect_view();
    view! {
        <nav class="pagination" aria-label="Pages">
            {previous}
            <ol>{numbers}</ol>
            {next}
        </nav>
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// A link. Narrow windows show near pages alone.
    Page { number: i64, is_near: bool },
    /// Pages left out.
    Gap,
}

/// The first and the last page, the present one with its neighbours, and gaps; a gap never stands for one page.
fn window_of(page: i64, total_pages: i64) -> Vec<Entry> {
    let from = (page - 1).min(total_pages - 3).max(1);
    let to = (page + 1).max(4).min(total_pages);
    let mut entries = Vec::new();
    let mut last = 0;
    for number in [1].into_iter().chain(from..=to).chain([total_pages]) {
        if number <= last || number > total_pages {
            continue;
        }
        match number - last {
            1 => {}
            2 => entries.push(Entry::Page { number: last + 1, is_near: false }),
            _ => entries.push(Entry::Gap),
        }
        let is_near = number == 1 || number == total_pages || number == page;
        entries.push(Entry::Page { number, is_near });
        last = number;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(page: i64, total_pages: i64) -> String {
        let text = |entry: &Entry| match entry {
            Entry::Gap => "…".to_owned(),
            Entry::Page { number, .. } => number.to_string(),
        };
        window_of(page, total_pages).iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn first_last_and_neighbours_are_shown() {
        assert_eq!(shown(1, 365), "1 2 3 4 … 365");
        assert_eq!(shown(2, 365), "1 2 3 4 … 365");
        assert_eq!(shown(180, 365), "1 … 179 180 181 … 365");
        assert_eq!(shown(365, 365), "1 … 362 363 364 365");
    }

    #[test]
    fn a_gap_never_stands_for_one_page() {
        assert_eq!(shown(4, 6), "1 2 3 4 5 6");
        assert_eq!(shown(1, 5), "1 2 3 4 5");
    }

    #[test]
    fn short_lists_show_every_page() {
        assert_eq!(shown(1, 1), "1");
        assert_eq!(shown(2, 3), "1 2 3");
    }
}
