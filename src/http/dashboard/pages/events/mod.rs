//! Events: what producers posted, one of them, sending one by hand, and who would get it.

mod list;
mod send;
mod show;
mod who;

use actix_web::web;

use super::super::page::resource;

pub fn routes(config: &mut web::ServiceConfig) {
    resource("/events", list::list).add_to(config);
    resource("/events/find", list::find).add_to(config);
    resource("/events/send", send::ask).post(send::send).add_to(config);
    resource("/events/who", who::show).add_to(config);
    resource("/events/{id}", show::show).add_to(config);
}
