//! Live: the latest deliveries, as they are now.

use actix_web::web;
use maud::html;

use super::super::{
    components,
    layout::{Tab, View},
    page::{Page, Shown, resource},
};
use crate::http::{
    api::deliveries::{self, DeliveryQuery},
    auth::CanRead,
};

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/live", show).add_to(config);
}

async fn show(page: Page) -> Shown {
    let caller = page.caller::<CanRead>()?;
    let found = deliveries::find(page.api(), &caller, &page.list_query::<DeliveryQuery>()?).await?;
    let body = html! {
        @if found.items.is_empty() {
            (components::nothing("Nothing happens", &html! { "What is sent shows here." }))
        } @else {
            div.sec { (super::logs::deliveries_table(&page, &found.items)) }
        }
    };
    let view = View::new(Tab::Live, "Live")
        .lede(html! { "The latest deliveries, as of " (components::clock_seconds(page.now(), page.now())) "." });
    Ok(page.show(view.actions(html! { a.btn href="/live" { "Refresh" } }).body(body)))
}
