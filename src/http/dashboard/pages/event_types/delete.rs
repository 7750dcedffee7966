//! Deleting an event type, with what follows from it.

use maud::html;

use super::{
    super::super::{
        components::{FormErrors, count},
        form::Form,
        layout::{self, Tab, View},
        page::{Page, Shown},
        response,
    },
    named, path, subscribers,
};
use crate::http::{api::event_types::remove, auth::CanChangeServer};

pub async fn ask(page: Page) -> Shown {
    page.caller::<CanChangeServer>()?;
    shown(&page, &FormErrors::default())
}

pub async fn delete(page: Page, _: Form) -> Shown {
    let caller = page.caller::<CanChangeServer>()?;
    let entry = named(&page)?;
    match remove(page.api(), &caller, &entry.event_type.name).await {
        Ok(()) => Ok(response::go_to("/event-types")),
        Err(problem) => shown(&page, &FormErrors::of(problem)?),
    }
}

fn shown(page: &Page, errors: &FormErrors) -> Shown {
    let entry = named(page)?;
    let (name, place) = (entry.event_type.name.as_str(), path(&entry));
    let subscribed = subscribers(page, &entry);
    let view = View::new(Tab::EventTypes, "Delete event type").crumb(name, Some(place.clone())).crumb("Delete", None);
    if entry.built_in && errors.is_none() {
        let lede = html! { span.mono { (name) } " is built in: it can be changed, but not deleted." };
        return Ok(page.show(view.lede(lede).body(html! { div.acts.sec { a.btn href=(place) { "Back" } } })));
    }
    let body = html! {
        form.form.sec method="post" action={ (place) "/delete" } {
            (layout::form_token(page))
            (errors.summary(&[]))
            ul.list {
                li { "Producers that post " span.mono { (name) } " are refused from then on." }
                li {
                    @if subscribed == 0 { "No endpoint subscribes to it." }
                    @else { (count(subscribed as u64, "endpoint gets", "endpoints get")) " it now. One that names it has to be changed first." }
                }
                li { "Events that were accepted, and their deliveries, stay." }
            }
            div.acts { button.btn.risk type="submit" { "Delete " (name) } a.btn href=(&place) { "Cancel" } }
        }
    };
    Ok(page.show(view.status(errors.status()).body(body)))
}
