//! Text from elsewhere, made fit for a terminal: control characters are shown, not obeyed.

use std::borrow::Cow;

/// True for a character that would act on a terminal or reorder what stands on it.
fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` on one line, every control or direction-changing character as its escape (`\n`, `\u{1b}`).
pub fn printable(text: &str) -> Cow<'_, str> {
    escape_where(text, acts_on_terminal)
}

/// As [`printable`], but line breaks and tabs stay: for text that has lines of its own.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |c| acts_on_terminal(c) && !matches!(c, '\n' | '\t'))
}

fn escape_where(text: &str, escapes: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&escapes) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escapes(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_acts_on_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a\\u{1b}[2Jb\\r\\n");
        assert_eq!(printable("\u{202e}cod.exe"), "\\u{202e}cod.exe");
        assert_eq!(printable("Zürich 東京"), "Zürich 東京");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("{\n\t\"a\": 1\n}\u{7}"), "{\n\t\"a\": 1\n}\\u{7}");
    }
}
