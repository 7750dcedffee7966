//! Notes, sections, code with its copy button, facts, and the ends of lists.

use maud::{Markup, html};

use super::{super::page::Page, icon};

/// How a note sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Something to know.
    Plain,
    /// Something to see to.
    Warning,
    /// Something is broken.
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "note good",
            Self::Plain => "note",
            Self::Warning => "note warn",
            Self::Bad => "note bad",
        }
    }

    const fn shape(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Plain => "info",
            Self::Warning => "wait",
            Self::Bad => "fail",
        }
    }
}

/// A note on a tinted ground: a title and a text. One a page is enough.
pub fn note(tone: Tone, title: &str, text: &Markup) -> Markup {
    html! {
        div class=(tone.class()) role=[matches!(tone, Tone::Good | Tone::Bad).then_some("status")] {
            (icon(tone.shape()))
            h2 { (title) }
            (text)
        }
    }
}

/// A section with its title, and perhaps something to the right of that. `id` is unique in the page.
pub fn section(id: &str, title: &str, beside: Option<Markup>, content: &Markup) -> Markup {
    html! {
        section.sec aria-labelledby=(id) {
            div.sec-h { h2 id=(id) { (title) } @if let Some(beside) = beside { (beside) } }
            (content)
        }
    }
}

/// Bytes to read and to copy: JSON, headers, a command. `id` is unique in the page. `folded`: lines are wrapped.
pub fn code(id: &str, title: &str, about: Option<&str>, text: &str, folded: bool) -> Markup {
    html! {
        div.blk {
            div.blk-h {
                h3 { (title) @if let Some(about) = about { " " span.sub { (about) } } }
                (copy_button(id))
            }
            pre.code.fold[folded] id=(id) tabindex="0" aria-label=(title) { (text) }
        }
    }
}

/// Copies what the element with this id holds. Without scripts it is not there.
pub fn copy_button(id: &str) -> Markup {
    html! {
        button.btn.tiny type="button" data-copy=(id) hidden { (icon("copy")) span data-label="" { "Copy" } }
    }
}

/// Names and values.
pub fn facts(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl.facts { @for (name, value) in pairs { dt { (name) } dd { (value) } } } }
}

/// The end of a page of a list, with the way to the next. `shown`: "50 endpoints".
pub fn pager(page: &Page, shown: &str, next_cursor: Option<&str>) -> Markup {
    html! {
        div.pager {
            span { (shown) }
            @if let Some(cursor) = next_cursor {
                a.btn href=(page.path_with_cursor(cursor)) rel="next" { "Older" }
            }
        }
    }
}

/// What stands in place of a list that has nothing in it.
pub fn nothing(title: &str, text: &Markup) -> Markup {
    html! { div.none { h2 { (title) } p { (text) } } }
}
