//! What one button does with an endpoint: send a test, pause and resume, show the secret.

use std::time::Duration;

use super::{
    super::super::{
        components::{Tone, note},
        form::{Body, Form},
        page::{Page, Shown},
        response,
    },
    named, path,
    show::{self, After},
};
use crate::{
    domain::ids::DeliveryId,
    http::{
        api::{endpoint_actions, endpoint_secrets, endpoints},
        auth::CanChange,
    },
};

/// An answer that comes within this time is shown at once; for a later one the page looks again.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub async fn test(page: Page, form: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    let asked = Body::default().text("type", form.text("type")).parse()?;
    let delivery = endpoint_actions::send_test(page.api(), &caller, endpoint.id, asked).await?;
    wait_for_answer(&page, delivery.id).await;
    Ok(response::go_to(&format!("{}?test={}", path(&endpoint), delivery.id)))
}

/// Until the delivery has an attempt, or patience is at its end.
async fn wait_for_answer(page: &Page, id: DeliveryId) {
    let answered = async {
        loop {
            let delivery = page.api().store().read(move |store| store.delivery(id)).await;
            // What cannot be read is told on the page that follows.
            if delivery.is_ok_and(|delivery| delivery.is_none_or(|delivery| delivery.attempts_made > 0)) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Too late is no error: the page says that it is under way.
    let _ = tokio::time::timeout(PATIENCE, answered).await;
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
        "The secret is shown below",
        &maud::html! {
            p { "Keep it where the receiver finds it, and nowhere else. Whoever has it can pass for this server." }
        },
    );
    show::with(&page, &endpoint, After { note: Some(note), secret: Some(secret.expose().to_owned()) }).await
}
