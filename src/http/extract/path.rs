//! The thing that a path names. A text that cannot be an id names nothing, so it is a 404 like any unknown one.

use std::{
    fmt::Display,
    future::{Ready, ready},
    str::FromStr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{
    domain::{
        account::Account,
        event_type::EventTypeName,
        ids::{DeliveryId, EndpointId, EventId, TokenId},
    },
    http::problem::Problem,
};

/// Ids that stand in paths.
pub trait Named: FromStr + 'static {
    /// What they name.
    const WHAT: &'static str;
}

impl Named for EventId {
    const WHAT: &'static str = "event";
}
impl Named for EndpointId {
    const WHAT: &'static str = "endpoint";
}
impl Named for DeliveryId {
    const WHAT: &'static str = "delivery";
}
impl Named for TokenId {
    const WHAT: &'static str = "token";
}
impl Named for EventTypeName {
    const WHAT: &'static str = "event type";
}

impl Named for Account {
    const WHAT: &'static str = "account";
}

/// `{id}` of the path.
pub struct PathId<T>(pub T);

/// `{name}` of the path.
pub struct Name<T>(pub T);

/// `{name}` of the path, of something that may be made there: a text that cannot be a name is at fault.
pub struct NewName<T>(pub T);

/// `{account}` of the path.
pub struct OfAccount(pub Account);

impl FromRequest for OfAccount {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request, "account").map(Self))
    }
}

impl<T: Named> FromRequest for PathId<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request, "id").map(Self))
    }
}

impl<T: Named> FromRequest for Name<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request, "name").map(Self))
    }
}

impl<T: Named<Err: Display>> FromRequest for NewName<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = part(request, "name").parse().map(Self);
        ready(name.map_err(|error| Problem::parameter("name", format!("{error}"))))
    }
}

fn read<T: Named>(request: &HttpRequest, name: &str) -> Result<T, Problem> {
    part(request, name).parse().map_err(|_| Problem::not_found(T::WHAT))
}

fn part<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.match_info().get(name).unwrap_or_default()
}
