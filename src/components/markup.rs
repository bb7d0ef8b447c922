//! HTML as text, for what a page has hundreds of: rows of the log, bars of the chart. Views of as many elements cost a page most
//! of its time, in allocations. What is written here goes into an element by `inner_html`, so all that is not fixed goes
//! through [Markup::text] and [Markup::attribute], which escape it.

use leptos::prelude::*;

/// Some HTML, written piece by piece.
#[derive(Debug, Default)]
pub struct Markup(String);

impl Markup {
    /// With room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// HTML as it is.
    pub fn html(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// A text between tags.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.escape(text);
        self
    }

    /// An attribute with its value, after a tag's name or another attribute.
    pub fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.0.push(' ');
        self.0.push_str(name);
        self.0.push_str("=\"");
        self.escape(value);
        self.0.push('"');
        self
    }

    /// An attribute without a value, where it is so.
    pub fn flag(&mut self, name: &'static str, is_set: bool) -> &mut Self {
        if is_set {
            self.0.push(' ');
            self.0.push_str(name);
        }
        self
    }

    /// What is seldom there: a component, as a page has it.
    pub fn view(&mut self, view: impl IntoView + 'static) -> &mut Self {
        self.0.push_str(&view.into_view().to_html());
        self
    }

    /// The whole.
    pub fn into_html(self) -> String {
        self.0
    }

    fn escape(&mut self, text: &str) {
        let mut rest = text;
        while let Some(place) = rest.find(['&', '<', '>', '"']) {
            let (plain, from) = rest.split_at(place);
            self.0.push_str(plain);
            self.0.push_str(match from.as_bytes().first() {
                Some(b'&') => "&amp;",
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                _ => "&quot;",
            });
            rest = &from[1..];
        }
        self.0.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_tag_or_an_attribute() {
        let mut markup = Markup::default();
        markup.html("<p").attribute("title", "a \"b\" <c> & d'").flag("hidden", true).flag("inert", false);
        markup.html(">").text("</p><script>\"&amp;é").html("</p>");
        assert_eq!(
            markup.into_html(),
            "<p title=\"a &quot;b&quot; &lt;c&gt; &amp; d'\" hidden>&lt;/p&gt;&lt;script&gt;&quot;&amp;amp;é</p>"
        );
    }
}
