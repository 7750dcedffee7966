//! Where a portal link leads. To look at it does not use it up: mail scanners and browsers that read ahead follow links
//! too, and would leave the customer with one that is spent. The page has one button, which the script presses.

use actix_web::{
    HttpRequest, HttpResponse, guard,
    http::StatusCode,
    web::{self, Data, Payload},
};
use maud::html;

use super::{
    super::{cookie, layout, origin, page::finished, response},
    sign_in::add_cookie,
};
use crate::{
    domain::{audit::Actor, session::PORTAL_OPEN_FOR, token::Token},
    http::{Api, problem::Problem},
    store::NewAudit,
};

/// What stands behind the question mark once it was asked whether the session that there is may go.
const REPLACE: &str = "replace";
/// Longer texts are no links of ours.
const LONGEST: usize = 100;

pub fn routes(config: &mut web::ServiceConfig) {
    let resource = web::resource("/portal/{link}")
        .route(web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(show))
        .route(web::post().to(open));
    config.service(finished(resource, "GET, HEAD, POST"));
}

fn link(request: &HttpRequest) -> &str {
    request.match_info().get("link").filter(|link| link.len() <= LONGEST).unwrap_or_default()
}

async fn show(request: HttpRequest, api: Data<Api>) -> HttpResponse {
    let link = link(&request);
    if api.sessions().rights_of_link(link, api.tokens(), api.clock().wall()).is_none() {
        return spent(&api);
    }
    let name = platform(&api);
    let page = layout::solo(
        &api,
        "Webhooks",
        None,
        &html! {
            h1 { "Webhooks" }
            p { (name) " opens your webhooks for you: endpoints, logs and secrets." }
            form.form method="post" action={ "/portal/" (link) } data-onward="" {
                button.btn.main.wide type="submit" { "Open" }
            }
        },
    );
    response::html(StatusCode::OK, page)
}

fn platform(api: &Api) -> &str {
    api.settings().portal.name.as_ref().map_or("Your platform", |name| name.as_str())
}

/// Who is signed in already, with other rights than the link gives, is asked.
fn asks(request: &HttpRequest, api: &Api) -> Option<HttpResponse> {
    let now = api.clock().wall();
    let new = api.sessions().rights_of_link(link(request), api.tokens(), now)?;
    let old = api.sessions().rights(&cookie::read(request, api)?, api.tokens(), now)?;
    if request.query_string() == REPLACE || (old.name == new.name && old.account == new.account) {
        return None;
    }
    let page = layout::solo(
        api,
        "You are signed in already",
        None,
        &html! {
            h1 { "You are signed in already" }
            p {
                @match &old.account {
                    Some(account) => { "You see the webhooks of " strong { (account) } " here, with the rights of " (old.name) ". " }
                    None => { "You are here with the rights of the token " strong { (old.name) } ". " }
                }
                "The link signs you out of that."
            }
            form.form method="post" action={ "/portal/" (link(request)) "?" (REPLACE) } {
                button.btn.main.wide type="submit" { "Sign out and open" }
            }
            a.btn.wide href="/" { "Stay signed in" }
        },
    );
    Some(response::html(StatusCode::OK, page))
}

async fn open(request: HttpRequest, payload: Payload, api: Data<Api>) -> HttpResponse {
    // There is nothing in it: the link is in the path.
    drop(payload);
    match try_open(&request, &api).await {
        Ok(Some(answer)) => answer,
        Ok(None) => spent(&api),
        Err(problem) => {
            let status = actix_web::ResponseError::status_code(&problem);
            let page = layout::solo(
                &api,
                "That did not work",
                None,
                &html! {
                    h1 { "That did not work" }
                    p { "Go back and try again: " (problem.detail()) "." }
                },
            );
            response::html(status, page)
        }
    }
}

async fn try_open(request: &HttpRequest, api: &Api) -> Result<Option<HttpResponse>, Problem> {
    origin::check(request, api)?;
    if let Some(question) = asks(request, api) {
        return Ok(Some(question));
    }
    let replaced = cookie::read(request, api);
    let now = api.clock().wall();
    let audit = |rights: &Token| NewAudit {
        actor: Actor::Token { id: rights.id, name: rights.name.clone() },
        action: "session.opened",
        subject: rights.id.to_string(),
        account: rights.account.clone(),
        details: "by a portal link".to_owned(),
    };
    let text = api.sessions().redeem(api.store(), api.tokens(), link(request), replaced.as_deref(), now, audit).await?;
    let Some(text) = text else { return Ok(None) };
    let mut answer = response::go_to("/endpoints");
    let cookie = cookie::with(request, api, text.expose(), now.plus(PORTAL_OPEN_FOR));
    add_cookie(&mut answer, &cookie)?;
    Ok(Some(answer))
}

fn spent(api: &Api) -> HttpResponse {
    let page = layout::solo(
        api,
        "This link is used up",
        None,
        &html! {
            h1 { "This link is used up" }
            p { "It opens your webhooks once, and only for some minutes. Go back to where you found it and open it again." }
        },
    );
    response::html(StatusCode::NOT_FOUND, page)
}
