//! What one button does with an endpoint: send a test, pause and resume, show the secret.

use super::{
    super::{
        super::{
            components::{Tone, note},
            form::{Body, Form},
            page::{Page, Shown},
            response,
        },
        logs::wait_for_attempt,
    },
    named, path, show, shown_secret,
};
use crate::http::{
    api::{endpoint_actions, endpoint_secrets, endpoints},
    auth::CanChange,
};

pub async fn test(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let asked = Body::default().text("type", form.text("type")).parse()?;
    let delivery = endpoint_actions::send_test(page.api(), &caller, endpoint.id, asked).await?;
    wait_for_attempt(&page, delivery.id, 0).await;
    Ok(response::go_to(&format!("{}?test={}", path(&endpoint), delivery.id)))
}

pub async fn set_status(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let status = form.text("status").to_owned();
    let patch = Body::default().with("status", status.as_str()).parse()?;
    let endpoint = endpoints::change(page.api(), &caller, endpoint.id, patch).await?;
    Ok(response::go_to(&format!("{}?done={}", path(&endpoint), endpoint.status.as_str())))
}

pub async fn reveal_secret(page: Page, _: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let secret = endpoint_secrets::read(page.api(), &caller, endpoint.id).await?;
    let note = note(
        Tone::Plain,
        "The secret",
        &maud::html! {
            p { "Keep it where the receiver finds it, and nowhere else. Whoever has it can pass for this server." }
            (shown_secret(secret.expose()))
        },
    );
    show::with(&page, &endpoint, Some(note)).await
}
