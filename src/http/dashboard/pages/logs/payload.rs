//! A payload to read: pretty-printed without being parsed, so that numbers, keys and escapes stay as they were sent; and
//! the exact bytes as a file.

use actix_web::http::{StatusCode, header};
use maud::{Markup, PreEscaped, html};

use super::super::super::{
    components::{copy_button, cut},
    page::{Page, Shown},
    response,
};
use crate::{
    domain::ids::DeliveryId,
    http::{api::deliveries, auth::CanRead},
};

/// So much of a text is shown, counted as it stands in the page.
const MOST_PRETTY: usize = 18_000;
const MOST_RAW: usize = 9_000;

/// The payload as a file.
pub async fn download(page: Page) -> Shown {
    let id: DeliveryId = page.part("id", "delivery")?;
    let shown = deliveries::show(page.api(), &page.caller::<CanRead>()?, id, None).await?;
    let mut answer = response::builder(StatusCode::OK);
    let disposition = format!("attachment; filename=\"{}\"", file_name(shown.delivery.id));
    Ok(answer
        .insert_header((header::CONTENT_DISPOSITION, disposition))
        .content_type("application/json")
        .body(shown.payload))
}

/// What the file is called.
pub fn file_name(id: DeliveryId) -> String {
    format!("{id}.json")
}

/// The payload, pretty-printed and raw.
pub fn blocks(id: DeliveryId, payload: &str) -> Markup {
    let (pretty, whole) = pretty(payload, MOST_PRETTY);
    let raw = cut(payload, MOST_RAW);
    let file = html! { a href={ "/logs/" (id) "/payload" } download { "Download all " (payload.len()) " bytes" } };
    html! {
        div.blk {
            div.blk-h { h3 { "Payload " span.sub { (payload.len()) " bytes" } } (copy_button("payload")) }
            pre.code #payload tabindex="0" aria-label="Payload" { (PreEscaped(pretty)) }
            @if !whole { p.sub.gap { "This is its beginning. " (file) } }
            details.more {
                summary { "Raw, as it was sent" }
                div.blk-h.gap { span.sub { "What signatures are made over" } (copy_button("raw")) }
                pre.code.fold #raw tabindex="0" aria-label="Raw payload" { (raw) }
                p.sub.gap { @if raw.len() < payload.len() { "This is its beginning. " } (file) }
            }
        }
    }
}

/// JSON text as markup with line breaks, indents and classes; and whether that is all of it.
fn pretty(text: &str, most: usize) -> (String, bool) {
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut tokens = tokens(text).peekable();
    while let Some(token) = tokens.next() {
        if out.len() + 32 + 2 * depth + token.text.len() > most {
            // A single long text is cut, what follows is left out.
            let room = most.saturating_sub(out.len() + 64);
            push(&mut out, token.class(false), cut(token.text, room));
            return (out, false);
        }
        match token.text {
            "{" | "[" => {
                push(&mut out, "p", token.text);
                if !tokens.peek().is_some_and(|next| matches!(next.text, "}" | "]")) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            "}" | "]" => {
                if !out.ends_with("{</span>") && !out.ends_with("[</span>") {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                push(&mut out, "p", token.text);
            }
            "," => {
                push(&mut out, "p", ",");
                line(&mut out, depth);
            }
            ":" => {
                push(&mut out, "p", ":");
                out.push(' ');
            }
            _ => {
                let is_key = tokens.peek().is_some_and(|next| next.text == ":");
                push(&mut out, token.class(is_key), token.text);
            }
        }
    }
    (out, true)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn push(out: &mut String, class: &str, text: &str) {
    out.push_str(&html! { span class=(class) { (text) } }.into_string());
}

/// A piece of JSON text.
struct Token<'a> {
    text: &'a str,
}

impl Token<'_> {
    fn class(&self, is_key: bool) -> &'static str {
        match self.text.as_bytes().first() {
            Some(b'"') if is_key => "k",
            Some(b'"') => "s",
            Some(b'{' | b'}' | b'[' | b']' | b',' | b':') => "p",
            _ => "n",
        }
    }
}

/// The pieces of a valid JSON text, without the white space between them.
fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let first = rest.chars().next()?;
        let end = match first {
            '"' => string_end(rest),
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            _ => rest.find([' ', '\t', '\n', '\r', ',', ':', '{', '}', '[', ']', '"']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at_checked(end.max(first.len_utf8())).unwrap_or((rest, ""));
        rest = after;
        Some(Token { text: token })
    })
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(markup: &str) -> String {
        let mut text = String::new();
        let mut inside = false;
        for letter in markup.chars() {
            match letter {
                '<' => inside = true,
                '>' => inside = false,
                _ if !inside => text.push(letter),
                _ => {}
            }
        }
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    #[test]
    fn it_is_laid_out_and_nothing_of_it_changes() {
        let text =
            r#"{"b":1.50,"a":[ ],"c":{"x":[1,{"y":null}],"e":"\" \u00e9 }{"},"d":{},"n":12345678901234567890123}"#;
        let (markup, whole) = pretty(text, 100_000);
        assert!(whole);
        let shown = plain(&markup);
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [],\n  \"c\": {\n    \"x\": [\n      1,\n      {\n        \"y\": null\n      }\n    ],\n    \"e\": \"\\\" \\u00e9 }{\"\n  },\n  \"d\": {},\n  \"n\": 12345678901234567890123\n}";
        assert_eq!(shown, expected);
        assert!(markup.contains("<span class=\"k\">&quot;b&quot;</span>"), "{markup}");
        assert!(markup.contains("<span class=\"n\">1.50</span>"), "{markup}");
    }

    #[test]
    fn markup_in_it_is_text_and_what_is_long_is_cut() {
        let (markup, _) = pretty(r#"{"k":"<script>alert(1)</script>"}"#, 10_000);
        assert!(!markup.contains("<script"), "{markup}");
        let many = format!("[{}]", vec!["\"&&&&&&&&\""; 10_000].join(","));
        let long = format!("{{\"k\":\"{}\"}}", "é\\\"".repeat(50_000));
        for text in [many, long, "[".repeat(20) + &"]".repeat(20)] {
            let (markup, whole) = pretty(&text, 5_000);
            assert!(markup.len() < 5_600, "{}", markup.len());
            assert_eq!(whole, text.len() < 300);
        }
        assert_eq!(cut("a\"b", 7), "a\"");
        assert_eq!(cut("é<", 5), "é");
    }
}
