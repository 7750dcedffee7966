//! States: a shape, then a word, then perhaps a colour. Only what is broken is filled and red.

use maud::{Markup, PreEscaped, html};

use crate::domain::{
    delivery::{Delivery, DeliveryStatus},
    endpoint::{Endpoint, EndpointHealth, EndpointStatus},
};

/// The shapes that [`icon`] names, once in every page.
pub fn sprite() -> Markup {
    PreEscaped(include_str!("../assets/sprite.svg").to_owned())
}

/// A shape of the sprite, 16 px, in the colour of the text around it. It says nothing by itself: put a word beside it.
pub fn icon(name: &'static str) -> Markup {
    html! { svg.i aria-hidden="true" { use href={ "#" (name) } {} } }
}

/// What an endpoint or a delivery is like, in the one word that pages have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Healthy,
    Failing,
    New,
    Paused,
    Disabled,
    Waiting,
    Sending,
    Retrying,
    Delivered,
    Failed,
    Canceled,
}

impl State {
    /// Of an endpoint.
    pub fn of_endpoint(endpoint: &Endpoint, health: &EndpointHealth) -> Self {
        match endpoint.status {
            EndpointStatus::Disabled { .. } => Self::Disabled,
            EndpointStatus::Paused => Self::Paused,
            EndpointStatus::Enabled if health.failing_since.is_some() => Self::Failing,
            EndpointStatus::Enabled if health.last_success_at.is_none() => Self::New,
            EndpointStatus::Enabled => Self::Healthy,
        }
    }

    /// Of a delivery: what is pending waits for its first attempt, or for another one.
    pub fn of_delivery(delivery: &Delivery) -> Self {
        match delivery.status {
            DeliveryStatus::Pending if delivery.attempts_made == 0 => Self::Waiting,
            DeliveryStatus::Pending => Self::Retrying,
            DeliveryStatus::Delivered => Self::Delivered,
            DeliveryStatus::Failed => Self::Failed,
            DeliveryStatus::Canceled => Self::Canceled,
        }
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Failing => "Failing",
            Self::New => "New",
            Self::Paused => "Paused",
            Self::Disabled => "Disabled",
            Self::Waiting => "Waiting",
            Self::Sending => "Sending",
            Self::Retrying => "Retrying",
            Self::Delivered => "Delivered",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    /// The name of its shape.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Healthy | Self::Delivered => "ok",
            Self::Failing | Self::Failed => "fail",
            Self::New => "new",
            Self::Paused => "pause",
            Self::Disabled => "off",
            Self::Waiting => "wait",
            Self::Sending => "send",
            Self::Retrying => "retry",
            Self::Canceled => "stop",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Healthy | Self::Delivered => "st ok",
            Self::Failing | Self::Failed => "st fail",
            Self::Retrying => "st retry",
            Self::Disabled | Self::Canceled | Self::New => "st off",
            Self::Paused | Self::Waiting | Self::Sending => "st",
        }
    }
}

/// A state as shape and word.
pub fn state(state: State) -> Markup {
    html! { span class=(state.class()) { (icon(state.shape())) (state.word()) } }
}

/// A delivery's attempts as five marks and a count: squares failed, a disc was delivered, a ring is next, dots may come.
/// `most`: the attempts that its endpoint's schedule has.
pub fn attempt_track(delivery: &Delivery, most: u32) -> Markup {
    let made = delivery.attempts_made;
    let delivered = delivery.status == DeliveryStatus::Delivered;
    let pending = delivery.status == DeliveryStatus::Pending;
    // More than five marks say no more than the count does.
    let failed = made.saturating_sub(u32::from(delivered)).min(if delivered || pending { 4 } else { 5 });
    let to_come = if pending { most.min(5).saturating_sub(failed + 1) } else { 0 };
    let place = |index: u32| 6 + 12 * index;
    html! {
        span.track {
            svg viewBox="0 0 60 10" aria-hidden="true" {
                @for index in 0..failed {
                    rect.x x={ (place(index) - 4) ".5" } y="1.5" width="7" height="7" rx="1" {}
                }
                @if delivered { circle.d cx=(place(failed)) cy="5" r="4" {} }
                @if pending {
                    circle class=(if failed == 0 { "w" } else { "n" }) cx=(place(failed)) cy="5" r="3.3" {}
                }
                @for index in 0..to_come { circle.e cx=(place(failed + 1 + index)) cy="5" r="1.5" {} }
            }
            span.c { (made) @if pending && made <= most && made > 0 { " of " (most) } }
        }
    }
}
