//! Deleting an endpoint, after a look at what goes with it.

use maud::html;

use super::{
    super::super::{
        components::{Tone, address, count, note},
        form::Form,
        layout,
        page::{Page, Shown},
        response,
    },
    name, named, path, view_below,
};
use crate::http::{api::endpoints, auth::CanChange};

pub async fn ask(page: Page) -> Shown {
    let (_, endpoint) = named::<CanChange>(&page)?;
    let pending = page.api().store().health(endpoint.id).pending;
    let title = match pending {
        0 => "Nothing waits for it".to_owned(),
        waiting => format!("{} canceled", count(waiting, "waiting delivery is", "waiting deliveries are")),
    };
    let body = html! {
        form.form.sec method="post" action={ (path(&endpoint)) "/delete" } {
            (layout::form_token(&page))
            (note(if pending > 0 { Tone::Bad } else { Tone::Plain }, &title, &html! {
                p { "It gets no events from now on, and its secret is gone. What was sent stays in the log until retention removes it. This cannot be undone; to stop for a while, pause it." }
            }))
            div.acts { button.btn.risk type="submit" { "Delete endpoint" } a.btn href=(path(&endpoint)) { "Cancel" } }
        }
    };
    let lede = html! { strong { bdi { (name(&endpoint)) } } " at " (address(&endpoint.url)) };
    Ok(page.show(view_below(&endpoint, "Delete").lede(lede).body(body)))
}

pub async fn delete(page: Page, _: Form) -> Shown {
    let (caller, endpoint) = named::<CanChange>(&page)?;
    endpoints::remove(page.api(), &caller, endpoint.id).await?;
    Ok(response::go_to("/endpoints"))
}
