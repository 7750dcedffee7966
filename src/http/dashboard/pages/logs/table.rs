//! Deliveries as a table, each row a link to the delivery.

use maud::{Markup, html};

use super::{
    super::{
        super::{
            components::{attempt_track, clock_seconds, state},
            page::Page,
        },
        endpoints::name,
    },
    attempts_of, code_in_words, state_now,
};
use crate::domain::delivery::Delivery;

/// What a table of deliveries leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Of many endpoints: each is named.
    Many,
    /// Of one that the page is about.
    OneEndpoint,
}

/// The table.
pub fn deliveries_table(page: &Page, deliveries: &[Delivery], of: Of) -> Markup {
    let endpoints = page.api().registry().snapshot();
    html! {
        table.tb.t-log {
            thead {
                tr {
                    th { "State" } th { "Event" }
                    @if of == Of::Many { th { "Endpoint" } }
                    th { "Last response" } th { "Attempts" } th.num { "Created" }
                }
            }
            tbody {
                @for delivery in deliveries {
                    @let endpoint = endpoints.endpoint(delivery.endpoint_id);
                    tr {
                        td.a-st { (state(state_now(page, delivery))) }
                        td.a-type {
                            a.row.mono href={ "/logs/" (delivery.id) } { (delivery.event_type) }
                            @if delivery.test { " " span.tag { "test" } }
                        }
                        @if of == Of::Many {
                            td.a-ep {
                                @match endpoint {
                                    Some(endpoint) => span.cut { (name(endpoint)) },
                                    None => span.sub { "deleted" }
                                }
                            }
                        }
                        td.a-resp {
                            @match delivery.last_response_code {
                                Some(code) => (code_in_words(code)),
                                None if delivery.attempts_made > 0 => "no answer",
                                None => span.sub { "none yet" }
                            }
                        }
                        td.a-att { (attempt_track(delivery, attempts_of(page, endpoint))) }
                        td.num.a-time { (clock_seconds(page.now(), delivery.created_at)) }
                    }
                }
            }
        }
    }
}
