//! The server's refusals (problem documents, RFC 9457) as lines that a person can act on.

use std::fmt;

use serde_json::Value;

use super::printable::printable;

/// A refusal: every text in it came over the network and is made printable when shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: u16,
    title: String,
    detail: Option<String>,
    pointer: Option<String>,
    retry_after: Option<String>,
}

impl Problem {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Reads a refusal from a response: its status, its body and its `Retry-After`.
    /// A body that is no problem document (a proxy's page, say) leaves the status alone to speak.
    pub fn from_response(status: u16, body: &str, retry_after: Option<&str>) -> Self {
        let document: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            status,
            title: text("title").unwrap_or_else(|| reason_phrase(status).to_owned()),
            detail: text("detail"),
            pointer: text("pointer"),
            retry_after: retry_after.map(str::to_owned),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)?;
        if !self.title.is_empty() {
            write!(f, " {}", printable(&self.title))?;
        }
        if let Some(pointer) = &self.pointer {
            write!(f, "\n  at {}", printable(pointer))?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n  {}", printable(detail))?;
        }
        if self.status == 401 {
            f.write_str("\n  give a token with --token-file, MYTHICHOOKS_TOKEN_FILE or MYTHICHOOKS_TOKEN")?;
        }
        if let Some(retry_after) = &self.retry_after {
            write!(f, "\n  try again after {}", printable(retry_after))?;
            if retry_after.bytes().all(|byte| byte.is_ascii_digit()) {
                f.write_str(" s")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

fn reason_phrase(status: u16) -> &'static str {
    actix_web::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_pointer_and_the_detail() {
        let body = r#"{"type":"about:blank","title":"Unprocessable Content","status":422,
            "detail":"`colour` is not a field","pointer":"/colour"}"#;
        let shown = Problem::from_response(422, body, None).to_string();
        assert_eq!(shown, "the server answered 422 Unprocessable Content\n  at /colour\n  `colour` is not a field");
    }

    #[test]
    fn a_page_that_is_no_problem_document_leaves_the_status() {
        let problem = Problem::from_response(502, "<html>\u{1b}[2J", None);
        assert_eq!(problem.to_string(), "the server answered 502 Bad Gateway");
    }

    #[test]
    fn control_characters_of_the_server_do_not_reach_the_terminal() {
        let body = r#"{"title":"no\u001b[31m","detail":"a\nb"}"#;
        let shown = Problem::from_response(400, body, None).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        assert!(shown.ends_with("a\\nb"), "{shown:?}");
    }

    #[test]
    fn says_when_to_try_again() {
        let problem = Problem::from_response(429, "{}", Some("7"));
        assert!(problem.to_string().ends_with("try again after 7 s"));
    }
}
