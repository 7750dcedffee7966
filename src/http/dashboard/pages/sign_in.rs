//! Sign-in with a token, and sign-out. A wrong token counts against the address that it came from.

use std::{net::IpAddr, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, guard,
    http::{StatusCode, header},
    web::{self, Data, Payload},
};
use maud::{Markup, html};

use super::super::{
    components::{self, Field, FormErrors},
    cookie,
    form::Form,
    layout, origin,
    page::{Page, Shown, finished, target},
    response,
};
use crate::{
    domain::{
        session::{Holder, SIGNED_IN_FOR, Stage},
        token::Token,
    },
    http::{
        Api,
        auth::{Caller, CanRead, Right as _},
        problem::{Kind, Problem},
        sessions::NewSession,
    },
};

/// In the query: a form was sent, and its session was over.
pub const UNSAVED: &str = "unsaved=";

/// Longer addresses to go on to are not kept.
const LONGEST_NEXT: usize = 2_000;

pub fn routes(config: &mut web::ServiceConfig) {
    let resource = web::resource("/sign-in")
        .route(web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(show))
        .route(web::post().to(sign_in));
    config.service(finished(resource, "GET, HEAD, POST"));
    target("/sign-out", sign_out).add_to(config);
}

async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let next = next_of(request.query_string());
    let rights =
        cookie::read(&request, &api).and_then(|text| api.sessions().rights(&text, api.tokens(), api.clock().wall()));
    if rights.is_some() {
        return response::go_to(&next);
    }
    // A browser that comes by a link of another site holds the cookie back; asked from here, it sends it.
    let from_elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let again = from_elsewhere.then(|| html! { meta http-equiv="refresh" content="0"; });
    let told = match api.sign_ins().wait(address(&request), api.clock().steady()) {
        Some(wait) => Told::Wait(wait),
        None if request.query_string().split('&').any(|part| part == UNSAVED) => Told::Unsaved,
        None => Told::Nothing,
    };
    response::html(StatusCode::OK, page(&api, &next, again, &FormErrors::default(), told))
}

async fn sign_in(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    let refused = |next: &str, problem: &Problem| {
        let status = actix_web::ResponseError::status_code(problem);
        response::html(status, page(&api, next, None, &FormErrors::whole(problem), Told::Nothing))
    };
    match read(&request, payload, &api).await {
        Ok(form) => {
            let next = local(form.text("next"));
            let signed_in = try_sign_in(&request, &form, &next, &api).await;
            signed_in.unwrap_or_else(|problem| refused(&next, &problem))
        }
        Err(problem) => refused("/", &problem),
    }
}

async fn read(request: &HttpRequest, payload: Payload, api: &Api) -> Result<Form, Problem> {
    origin::check(request, api)?;
    Form::read(payload, 0).await
}

async fn try_sign_in(request: &HttpRequest, form: &Form, next: &str, api: &Api) -> Shown {
    let (address, steady) = (address(request), api.clock().steady());
    if let Some(wait) = api.sign_ins().wait(address, steady) {
        let mut answer = response::html(
            StatusCode::TOO_MANY_REQUESTS,
            page(api, next, None, &FormErrors::default(), Told::Wait(wait)),
        );
        answer.headers_mut().insert(header::RETRY_AFTER, seconds(wait).into());
        return Ok(answer);
    }
    let now = api.clock().wall();
    let Some(token) = api.tokens().find(form.text("token"), now) else {
        api.sign_ins().count(address, steady);
        return Err(
            Problem::new(Kind::Unauthenticated, "the token is not known, was deleted, or has expired").at("/token")
        );
    };
    if CanRead::refuses(&token).is_some() {
        let detail = "a token with the role `ingest` can only post events, so there is nothing that it could see here";
        return Err(Problem::new(Kind::Forbidden, detail).at("/token"));
    }
    let end = now.plus(SIGNED_IN_FOR);
    let expires_at = token.expires_at.map_or(end, |expiry| expiry.min(end));
    let made = NewSession {
        holder: Holder::Token(token.id),
        stage: Stage::Open,
        now,
        expires_at,
        replaced: cookie::read(request, api),
    };
    let audit = Caller::<CanRead>::new(token.clone())?.audit("session.opened", &token.id, token.account.as_ref(), "");
    let text = api.sessions().make(api.store(), api.tokens(), made, Some(audit)).await?;
    let mut answer = response::go_to(next);
    add_cookie(&mut answer, &cookie::with(request, api, text.expose(), expires_at))?;
    Ok(answer)
}

async fn sign_out(page: Page, _: Form) -> Shown {
    let api = page.api();
    if let Some(text) = cookie::read(page.request(), api) {
        let token: &Token = page.token();
        let audit = page.caller::<CanRead>()?.audit("session.closed", &token.id, token.account.as_ref(), "");
        api.sessions().end(api.store(), &text, audit).await?;
    }
    let mut answer = response::go_to("/sign-in");
    add_cookie(&mut answer, &cookie::without(page.request(), api))?;
    Ok(answer)
}

/// Has the browser keep a cookie.
///
/// # Errors
/// The cookie cannot be written, which its texts preclude.
pub fn add_cookie(answer: &mut HttpResponse, cookie: &actix_web::cookie::Cookie<'_>) -> Result<(), Problem> {
    answer.add_cookie(cookie).map_err(|_| Problem::new(Kind::Unavailable, "the session's cookie cannot be written"))
}

/// Who tries; nobody in particular over a Unix socket.
fn address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip())
}

/// Rounded up, so that who waits so long may try.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn next_of(query: &str) -> String {
    let next = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    local(&next.map(|(_, value)| value.into_owned()).unwrap_or_default())
}

/// A path of ours; the overview, if it is none. Browsers read `//host` and `/\host` as another site.
fn local(next: &str) -> String {
    let sound = next.len() <= LONGEST_NEXT
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !next.starts_with("/sign-");
    if sound { next.to_owned() } else { "/".to_owned() }
}

/// What stands above the form.
#[derive(Clone, Copy)]
enum Told {
    Nothing,
    /// So long nobody from this address can sign in.
    Wait(Duration),
    Unsaved,
}

fn page(api: &Api, next: &str, head: Option<Markup>, errors: &FormErrors, told: Told) -> Markup {
    layout::solo(
        api,
        "Sign in",
        head,
        &html! {
            h1 { "Sign in" }
            @match told {
                Told::Nothing => {}
                Told::Wait(wait) => (components::note(components::Tone::Warning, "Too many wrong tokens", &html! {
                    p { "Try again in " (components::count(seconds(wait), "second", "seconds")) "." }
                })),
                Told::Unsaved => (components::note(components::Tone::Warning, "You were signed out", &html! {
                    p { "What you sent was not saved. Sign in, and send it once more." }
                })),
            }
            (errors.summary(&[("token", "Token")]))
            form.form method="post" action="/sign-in" {
                input type="hidden" name="next" value=(next);
                (Field::new("token", "Token", "").mono().kind("password", "current-password").input(errors))
                button.btn.main.wide type="submit" { "Sign in" }
            }
            p.sub { "Did you come from your platform’s page? Open it from there again: its link signs you in." }
            p.sub {
                "The operator’s first token is in the file " span.mono.nb { "admin-token" } " in the server’s data directory. With it, others are made by "
                span.mono.nb { "mythichooks token create" } "."
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        assert_eq!(local("/logs?status=failed&x=%2F"), "/logs?status=failed&x=%2F");
        let long = format!("/{}", "a".repeat(LONGEST_NEXT));
        for bad in ["", "logs", "//evil", "/\\evil", "https://evil", "/a\nb", "/a b", "/sign-out", "/\t/evil", &long] {
            assert_eq!(local(bad), "/", "{bad}");
        }
        assert_eq!(next_of("a=1&next=%2Flogs%3Fa%3D1"), "/logs?a=1");
    }
}
