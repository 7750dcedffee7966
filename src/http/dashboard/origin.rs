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
    let host = request.connection_info().host().to_owned();
    let public = api.settings().public_url.as_ref().map(super::look::PublicUrl::origin);
    if is_ours(request.headers(), &host, public) {
        Ok(())
    } else {
        Err(Problem::new(Kind::Forbidden, "the form was sent from another site, so nothing was done"))
    }
}

/// `host`: what the request was sent to. `public`: the origin of `--public-url`.
fn is_ours(headers: &HeaderMap, host: &str, public: Option<&str>) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
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
