//! Whether a POST comes from a page of ours. Browsers say where a request comes from in headers that scripts cannot set;
//! a client that says nothing is no browser, and has no cookie that another site could make use of.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};

use crate::http::{
    Api,
    problem::{Kind, Problem},
};

/// Refuses what another site sends.
///
/// # Errors
/// 403.
pub fn check(request: &HttpRequest, api: &Api) -> Result<(), Problem> {
    if is_ours(request.headers(), request.connection_info().host(), public(api)) {
        Ok(())
    } else {
        Err(Problem::new(Kind::Forbidden, "the form was sent from another site, so nothing was done"))
    }
}

/// The page of ours that a request came from, as far as the browser says.
pub fn page_before(request: &HttpRequest, api: &Api) -> Option<String> {
    let from = request.headers().get(header::REFERER)?.to_str().ok()?;
    let authority = from.find("://")? + "://".len();
    let (origin, page) = from.split_at(authority + from[authority..].find('/')?);
    names_us(origin, request.connection_info().host(), public(api)).then(|| page.to_owned())
}

fn public(api: &Api) -> Option<&str> {
    api.settings().public_url.as_ref().map(super::look::PublicUrl::origin)
}

/// `host`: what the request was sent to. `public`: the origin of `--public-url`.
fn is_ours(headers: &HeaderMap, host: &str, public: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    origin.to_str().is_ok_and(|origin| names_us(origin, host, public))
}

fn names_us(origin: &str, host: &str, public: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    public == Some(origin) || authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_browsers_say_of_another_site_is_believed() {
        let ours = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_ours(&headers.collect(), "hooks.example:8420", Some("https://public.example"))
        };
        assert!(ours(&[]));
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("origin", "http://hooks.example:8420")]));
        assert!(ours(&[("origin", "http://hooks.example:8420")]));
        assert!(ours(&[("origin", "https://public.example")]));
        for bad in ["http://hooks.example", "https://evil.example", "null", "", "http://hooks.example:8420.evil"] {
            assert!(!ours(&[("origin", bad)]), "{bad}");
        }
        for bad in ["cross-site", "same-site", "none", ""] {
            assert!(!ours(&[("sec-fetch-site", bad), ("origin", "http://hooks.example:8420")]), "{bad}");
        }
    }
}
