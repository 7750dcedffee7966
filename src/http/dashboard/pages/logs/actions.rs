//! What one button does with a delivery: an attempt at once, or no more of them.

use std::time::Duration;

use super::super::super::{
    form::Form,
    page::{Page, Shown},
    response,
};
use crate::{
    domain::ids::DeliveryId,
    http::{api::delivery_actions, auth::CanChange},
};

/// An answer that comes within this time is shown at once; for a later one the page looks again.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub async fn retry(page: Page, _: Form) -> Shown {
    let caller = page.caller::<CanChange>()?;
    let id: DeliveryId = page.part("id", "delivery")?;
    let delivery = delivery_actions::retry_one(page.api(), &caller, id).await?;
    wait_for_attempt(&page, id, delivery.attempts_made).await;
    Ok(response::go_to(&format!("/logs/{id}?retried={}", delivery.attempts_made)))
}

pub async fn cancel(page: Page, _: Form) -> Shown {
    let caller = page.caller::<CanChange>()?;
    let id: DeliveryId = page.part("id", "delivery")?;
    delivery_actions::cancel_one(page.api(), &caller, id).await?;
    Ok(response::go_to(&format!("/logs/{id}")))
}

/// Until the delivery has more attempts than so many, or patience is at its end.
pub async fn wait_for_attempt(page: &Page, id: DeliveryId, attempts: u32) {
    let answered = async {
        loop {
            let delivery = page.api().store().read(move |store| store.delivery(id)).await;
            // What cannot be read is told on the page that follows.
            if delivery.is_ok_and(|delivery| delivery.is_none_or(|delivery| delivery.attempts_made > attempts)) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Too late is no error: the page says that it is under way.
    let _ = tokio::time::timeout(PATIENCE, answered).await;
}
