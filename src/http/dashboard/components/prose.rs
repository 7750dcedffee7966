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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_out_and_all_of_it_is_escaped() {
        let text = prose("A `<b>` failed, an `open").into_string();
        assert_eq!(text, "A <span class=\"mono\">&lt;b&gt;</span> failed, an <span class=\"mono\">open</span>");
    }
}
