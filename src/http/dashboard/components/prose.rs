//! Sentences with names in them, as the catalog has them: what stands between backticks is a name.

use maud::{Markup, html};

/// The sentence, with its names in the face for identifiers.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { span.mono { (part) } } @else { (part) }
        }
    }
}

/// The text with a capital at its beginning.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// The text as a sentence of its own; nothing, if it is empty.
pub fn sentence(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{}.", capitalised(text.trim_end_matches('.'))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_have_a_capital_and_one_full_stop() {
        assert_eq!(["", "über it", "It is.", "a"].map(sentence), ["", "Über it.", "It is.", "A."]);
        assert_eq!(["", "acme’s"].map(capitalised), ["", "Acme’s"]);
    }

    #[test]
    fn names_stand_out_and_all_of_it_is_escaped() {
        let text = prose("A `<b>` failed, an `open").into_string();
        assert_eq!(text, "A <span class=\"mono\">&lt;b&gt;</span> failed, an <span class=\"mono\">open</span>");
    }
}
