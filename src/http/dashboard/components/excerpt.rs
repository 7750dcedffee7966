//! Long texts on pages, which are small: shown as far as there is room for them.

use maud::{Markup, html};

use super::copy_button;
use crate::domain::json_text;

/// Bytes of HTML that a text may become. A page has 100 KB, and more in it than one text.
const ROOM: usize = 32 << 10;

/// The beginning of a text that has room on a page, and whether that is all of it.
pub fn excerpt(text: &str) -> (&str, bool) {
    let shown = cut(text, ROOM);
    (shown, shown.len() == text.len())
}

/// JSON text laid out to be read, as far as [`excerpt`] can show of it.
pub fn laid_out(json: &str) -> String {
    json_text::pretty_up_to(json, ROOM)
}

/// The beginning of a text that takes no more than so many bytes once its markup is escaped.
pub fn cut(text: &str, most: usize) -> &str {
    let mut length = 0;
    for (at, letter) in text.char_indices() {
        length += match letter {
            '"' => 6,
            '&' => 5,
            '<' | '>' => 4,
            other => other.len_utf8(),
        };
        if length > most {
            return &text[..at];
        }
    }
    text
}

/// A text to read and to copy, as far as there is room, with a choice of ways to look at it: each a word, a path, and
/// whether it is the one that is shown. `rest`: where all of it is.
pub fn long_code(id: &str, title: &str, ways: &[(&str, &str, bool)], text: &str, rest: &Markup) -> Markup {
    let (shown, whole) = excerpt(text);
    html! {
        div.blk {
            div.blk-h {
                h2 { (title) }
                div.acts {
                    @if !ways.is_empty() {
                        nav.seg aria-label={ (title) ", shown" } {
                            @for (word, path, current) in ways {
                                a href=(path) aria-current=[current.then_some("true")] { (word) }
                            }
                        }
                    }
                    @if whole { (copy_button(id)) }
                }
            }
            pre.code.fold id=(id) tabindex="0" aria-label=(title) { (shown) }
            @if !whole { p.sub.gap { "This is the beginning. " (rest) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_where_its_html_would_be_too_long() {
        assert_eq!(excerpt("a<b"), ("a<b", true));
        let quotes = "\"".repeat(ROOM);
        let (shown, whole) = excerpt(&quotes);
        assert!(!whole && html! { (shown) }.into_string().len() <= ROOM && shown.len() == ROOM / 6);
        let umlauts = "x".to_owned() + &"ä".repeat(ROOM);
        assert_eq!(excerpt(&umlauts).0.len(), ROOM - 1, "never within a character");
    }
}
