//! Looking at JSON text without taking it apart: the first repeated key, and how deep it nests.
//! The payload is sent byte for byte, so it is never parsed into values and printed again.

use std::{borrow::Cow, collections::HashSet};

/// Deeper payloads are refused: many receivers' parsers stop near this depth.
pub const DEEPEST: usize = 100;
/// Deeper bodies are refused whole. A payload lies four levels down in a batch, and what is too deep is to be named.
const DEEPEST_BODY: usize = 128;

/// What is wrong with a JSON text, with a JSON Pointer (RFC 6901) to the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// An object has the same key twice.
    #[error("the key is given twice")]
    DuplicateKey {
        /// The second of the two.
        pointer: String,
    },
    /// More than 128 arrays and objects within each other.
    #[error("nested more than {DEEPEST_BODY} levels deep")]
    TooDeep,
}

enum Level<'a> {
    Object { keys: HashSet<Cow<'a, str>>, key: Cow<'a, str> },
    Array { index: usize },
}

/// Checks a text that is known to be valid JSON.
///
/// # Errors
/// A repeated key, or nesting beyond 128.
pub fn check(valid: &str) -> Result<(), JsonError> {
    let bytes = valid.as_bytes();
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut at = 0;
    let mut key_expected = false;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                if levels.len() == DEEPEST_BODY {
                    return Err(JsonError::TooDeep);
                }
                key_expected = byte == b'{';
                levels.push(if key_expected {
                    Level::Object { keys: HashSet::new(), key: Cow::Borrowed("") }
                } else {
                    Level::Array { index: 0 }
                });
            }
            b'}' | b']' => {
                levels.pop();
                key_expected = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array { index }) => *index += 1,
                _ => key_expected = true,
            },
            b'"' => {
                let end = string_end(bytes, at);
                if key_expected {
                    key_expected = false;
                    if let Some(Level::Object { keys, key }) = levels.last_mut() {
                        *key = unescape(valid.get(at + 1..end).unwrap_or_default());
                        if !keys.insert(key.clone()) {
                            return Err(JsonError::DuplicateKey { pointer: pointer(&levels) });
                        }
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Whether a text that is known to be valid JSON has more than [`DEEPEST`] arrays and objects within each other.
#[must_use]
pub fn is_too_deep(valid: &str) -> bool {
    let bytes = valid.as_bytes();
    // So many have to be opened for it, which few payloads do.
    if bytes.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() <= DEEPEST {
        return false;
    }
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' if depth == DEEPEST => return true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at),
            _ => {}
        }
        at += 1;
    }
    false
}

/// A number that is JSON, but too large for any type here: the parser takes that for a fault of the syntax.
#[must_use]
pub fn is_out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

/// The index of the quote that ends the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// The key that is meant; one with half a surrogate pair has no other text than itself.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    serde_json::from_str(&format!("\"{text}\"")).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn pointer(levels: &[Level<'_>]) -> String {
    levels.iter().fold(String::new(), |pointer, level| match level {
        Level::Object { key, .. } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Level::Array { index } => format!("{pointer}/{index}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_keys_are_found_where_they_are() {
        let pointer = |text: &str| match check(text) {
            Err(JsonError::DuplicateKey { pointer }) => Some(pointer),
            Ok(()) => None,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(pointer(r#"{"a":1,"b":{"a":1},"c":["a","a",{"a":"a"}]}"#), None);
        assert_eq!(pointer(r#"{"a":1,"a":2}"#), Some("/a".to_owned()));
        assert_eq!(pointer(r#"{"x":[0,{"a":{},"a":[]}]}"#), Some("/x/1/a".to_owned()));
        assert_eq!(pointer(r#"{ "a/b~" : 1 , "a/b~" : 2 }"#), Some("/a~1b~0".to_owned()));
        assert_eq!(pointer(r#"{"a":1,"\u0061":2}"#), Some("/a".to_owned()));
        assert_eq!(pointer(r#"{"\u0061":1,"b":2,"a":2}"#), Some("/a".to_owned()));
        assert_eq!(pointer(r#"{"a":"\"","b":"\\","a":1}"#), Some("/a".to_owned()));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(&nested(DEEPEST_BODY)), Ok(()));
        assert_eq!(check(&nested(DEEPEST_BODY + 1)), Err(JsonError::TooDeep));
        assert!(!is_too_deep(&nested(DEEPEST)) && is_too_deep(&nested(DEEPEST + 1)));
        assert!(!is_too_deep(&format!("[{0}{0}\"{1}\"]", "[[]],".repeat(DEEPEST), "[".repeat(DEEPEST))));
    }
}
