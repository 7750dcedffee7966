//! The cookie that carries a session's secret text, and what is derived from that text.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::look::PublicUrl;
use crate::{domain::time::Timestamp, http::Api};

/// Over plain HTTP, where a browser refuses the prefix that says more.
const PLAIN: &str = "mythichooks_session";
/// Over TLS: the prefix has the browser refuse one that was set by another host or without `Secure`.
const SECURE: &str = "__Host-mythichooks_session";

/// Longer texts are none of ours.
const LONGEST: usize = 100;

/// The session's text, if the request has a cookie of ours.
pub fn read(request: &HttpRequest, api: &Api) -> Option<String> {
    let cookie = request.cookie(name(is_secure(request, api)))?;
    (cookie.value().len() <= LONGEST).then(|| cookie.value().to_owned())
}

/// A cookie with this text, until then.
pub fn with(request: &HttpRequest, api: &Api, text: &str, expires_at: Timestamp) -> Cookie<'static> {
    let secure = is_secure(request, api);
    let left = expires_at.since(api.clock().wall()).as_secs();
    Cookie::build(name(secure), text.to_owned())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure)
        .max_age(Duration::seconds(i64::try_from(left).unwrap_or(i64::MAX)))
        .finish()
}

/// A cookie that has the browser forget the one it has.
pub fn without(request: &HttpRequest, api: &Api) -> Cookie<'static> {
    let mut cookie = with(request, api, "", Timestamp::EPOCH);
    cookie.make_removal();
    cookie
}

/// What every form of a session carries. Another site can neither read it nor make it, and it tells nothing of the text.
pub fn form_token(text: &str) -> String {
    let digest = Sha256::new().chain_update(b"mythichooks form\0").chain_update(text).finalize();
    URL_SAFE_NO_PAD.encode(digest)
}

/// Whether the browser speaks TLS, with this server or with the proxy before it that `--public-url` names.
fn is_secure(request: &HttpRequest, api: &Api) -> bool {
    request.app_config().secure() || api.settings().public_url.as_ref().is_some_and(PublicUrl::is_https)
}

const fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}
