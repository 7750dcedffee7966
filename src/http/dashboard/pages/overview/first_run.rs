//! What stands in place of empty charts before there is an endpoint: the steps that are left.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::super::super::{
    components::{copy_button, icon},
    layout::{Tab, View},
    page::Page,
};
use crate::http::auth::CanChange;

pub fn show(page: &Page) -> HttpResponse {
    let customer = page.is_customer();
    let lede = if customer {
        html! { "Nothing is sent to you until you add an endpoint." }
    } else {
        html! { "The server is running. Two steps are left before the first event arrives at a customer." }
    };
    let body = html! {
        div.two.l {
            ol.steps {
                @if customer {
                    (add_endpoint(page, 1))
                } @else {
                    li.done {
                        span.no { (icon("yes")) span.vh { "Done" } }
                        div { h2 { "Start the server" } p { "Version " (env!("CARGO_PKG_VERSION")) ". Its store is in order." } }
                    }
                    (add_endpoint(page, 2))
                    (send_event(page, 3))
                }
            }
            div.aside.sec {
                div {
                    h2 { "Tried again" }
                    p { "An event that is not taken is sent again: " (waits(page)) ". Every attempt is logged." }
                }
                div {
                    h2 { "Signed" }
                    p { "Each request carries a signature made with the endpoint’s own secret, so that the receiver can tell it from others." }
                }
            }
        }
    };
    page.show(View::new(Tab::Overview, "Nothing sent yet").lede(lede).body(body))
}

fn waits(page: &Page) -> String {
    let waits: Vec<String> =
        page.api().registry().defaults().retry_schedule.waits().iter().map(ToString::to_string).collect();
    if waits.is_empty() { "never, as the server is set".to_owned() } else { format!("after {}", waits.join(", ")) }
}

fn add_endpoint(page: &Page, step: u8) -> Markup {
    html! {
        li.now {
            span.no { (step) }
            div {
                h2 { "Add an endpoint" }
                p {
                    @if page.is_customer() { "An HTTPS address of yours, and the event types that it should get." }
                    @else { "An HTTPS address of one customer, and the event types that it should get." }
                }
                @if page.can::<CanChange>() {
                    div.acts { a.btn.main href="/endpoints/new" { (icon("plus")) "Add endpoint" } }
                } @else {
                    p.sub { "It takes a token with the role " span.mono { "admin" } "." }
                }
            }
        }
    }
}

fn send_event(page: &Page, step: u8) -> Markup {
    let command = format!(
        "curl {}/v1/events \\\n  -H \"authorization: Bearer $TOKEN\" \\\n  -H \"content-type: application/json\" \\\n  -d '{{\"type\":\"batch.completed\",\"data\":{{\"object\":{{\"id\":\"batch_1\"}}}}}}'",
        page.origin(),
    );
    html! {
        li {
            span.no { (step) }
            div {
                h2 { "Send an event" }
                p { "Run this where your platform runs, with a token that may post events. It is signed, sent, and on this page within a second." }
                div.blk-h { span.sub { "Shell" } (copy_button("command")) }
                pre.code #command tabindex="0" aria-label="Command" { (command) }
            }
        }
    }
}
