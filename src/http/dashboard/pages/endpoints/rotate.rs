//! A new secret, with a time in which the old one signs too.

use maud::html;

use super::{
    super::super::{
        components::{Field, FormErrors, Tone, clock, note},
        form::{Body, Form},
        layout,
        page::{Page, Shown},
    },
    named, path, show, shown_secret, view_below,
};
use crate::{
    domain::endpoint::Endpoint,
    http::{api::endpoint_secrets, auth::CanChange},
};

const LABELS: [(&str, &str); 2] = [("overlap", "Overlap"), ("secret", "New secret")];

pub async fn ask(page: Page) -> Shown {
    let (_, endpoint) = named::<CanChange>(&page)?;
    Ok(form_page(&page, &endpoint, ["24h", ""], &FormErrors::default()))
}

pub async fn rotate(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let body = Body::default().text("overlap", form.text("overlap")).text("secret", form.text("secret")).parse();
    let rotated = match body {
        Ok(body) => endpoint_secrets::renew(page.api(), &caller, endpoint.id, body).await,
        Err(problem) => Err(problem),
    };
    let (secret, end) = match rotated {
        Ok(rotated) => rotated,
        Err(problem) => {
            let errors = FormErrors::of(problem)?;
            return Ok(form_page(&page, &endpoint, ["overlap", "secret"].map(|name| form.text(name)), &errors));
        }
    };
    let note = note(
        Tone::Good,
        "The secret was rotated",
        &html! {
            @if end > page.now() {
                p { "The old one signs beside it until " (clock(page.now(), end)) ", so give the receiver this new one before that." }
            } @else {
                p { "The old one signs nothing more: the receiver needs this new one from now on." }
            }
            (shown_secret(secret.expose()))
        },
    );
    show::with(&page, &endpoint, Some(note)).await
}

fn form_page(
    page: &Page,
    endpoint: &Endpoint,
    [overlap, secret]: [&str; 2],
    errors: &FormErrors,
) -> actix_web::HttpResponse {
    let body = html! {
        div.two.l {
            form.form.sec method="post" action={ (path(endpoint)) "/rotate" } novalidate {
                (layout::form_token(page))
                (errors.summary(&LABELS))
                (Field::new("overlap", "Overlap", overlap).hint("How long the old secret signs beside the new one: 0s to 30d.").input(errors))
                (Field::new("secret", "New secret", secret).optional().mono().hint("whsec_ and the base64 of 24 to 64 bytes. One is made, if left empty.").input(errors))
                div.acts { button.btn.main type="submit" { "Rotate secret" } a.btn href=(path(endpoint)) { "Cancel" } }
            }
            div.aside.sec {
                div { h2 { "Nothing is missed" } p { "During the overlap each request carries both signatures. A receiver that refuses the old one gets the same delivery again at once, under the new one." } }
                div { h2 { "If it leaked" } p { "Take an overlap of 0s: no older secret signs anything from now on." } }
            }
        }
    };
    let status = errors.status();
    page.show(view_below(endpoint, "Rotate secret").status(status).body(body))
}
