//! Lays JSON text out anew without touching its tokens: numbers keep their digits, objects their key order and
//! strings their escapes, which a round trip through a parsed value would not promise.

/// `json` with an indent of two spaces. Expects valid JSON; other text comes back laid out oddly, never lost.
#[must_use]
pub fn pretty(json: &str) -> String {
    lay_out(json, true, usize::MAX)
}

/// The beginning of the same: all of it, if that is no longer than `most` bytes, else somewhat more than `most`.
#[must_use]
pub fn pretty_up_to(json: &str, most: usize) -> String {
    lay_out(json, true, most)
}

/// `json` without the white space between its tokens, so on one line.
#[must_use]
pub fn compact(json: &str) -> String {
    lay_out(json, false, usize::MAX)
}

fn lay_out(json: &str, indented: bool, most: usize) -> String {
    let mut out = String::with_capacity((json.len() + json.len() / 4).min(most.saturating_add(1)));
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    let mut tokens = json.chars().peekable();
    while out.len() <= most
        && let Some(c) = tokens.next()
    {
        if in_string {
            out.push(c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                while tokens.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = tokens.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth, indented);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth, indented);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth, indented);
            }
            ':' => out.push_str(if indented { ": " } else { ":" }),
            _ => out.push(c),
        }
    }
    out
}

/// A deeper indent than this only pushes text off the screen, and would let a small document grow without bound.
const DEEPEST_INDENT: usize = 32;

fn new_line(out: &mut String, depth: usize, indented: bool) {
    if indented {
        out.push('\n');
        for _ in 0..depth.min(DEEPEST_INDENT) {
            out.push_str("  ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "{\"b\" : 1.10,\n \"a\":[ ],\"s\":\"x\\\"{, é\\u00e9\", \"n\":[1e400,{ }]}";

    #[test]
    fn tokens_stay_as_they_were_sent() {
        assert_eq!(
            pretty(SENT),
            "{\n  \"b\": 1.10,\n  \"a\": [],\n  \"s\": \"x\\\"{, é\\u00e9\",\n  \"n\": [\n    1e400,\n    {}\n  ]\n}"
        );
        assert_eq!(compact(SENT), "{\"b\":1.10,\"a\":[],\"s\":\"x\\\"{, é\\u00e9\",\"n\":[1e400,{}]}");
    }

    #[test]
    fn a_beginning_is_that_of_the_whole() {
        let whole = pretty(SENT);
        for most in 0..whole.len() {
            let beginning = pretty_up_to(SENT, most);
            assert!(beginning.len() > most && whole.starts_with(&beginning), "{most}: {beginning}");
        }
        assert_eq!(pretty_up_to(SENT, whole.len()), whole);
    }

    #[test]
    fn the_one_undoes_the_other() {
        assert_eq!(compact(&pretty(SENT)), compact(SENT));
    }

    #[test]
    fn text_that_is_not_json_does_not_break_it() {
        assert_eq!(compact("}}]"), "}}]");
        assert_eq!(pretty("\"\\"), "\"\\");
        assert!(pretty(&"[".repeat(100_000)).len() < 8_000_000);
    }
}
