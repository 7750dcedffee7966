//! "Who would get this?": which endpoints match an event and, for the rest, why not. Nothing is sent.

use std::{collections::BTreeSet, sync::Arc};

use maud::{Markup, html};

use super::super::{
    super::{
        components::{Field, FormErrors, capitalised, clock, clock_seconds, icon, number_word, prose, section},
        form::Body,
        layout::{Tab, View},
        page::{Page, Shown},
    },
    endpoints, filters,
};
use crate::{
    domain::{
        endpoint::{Endpoint, EndpointStatus},
        event_type::EventTypeName,
        subscription::Subscription,
    },
    http::{
        api::event_dry_run::{Fate, Matched, Outcome, Reason, ask},
        auth::{CanAsk, CanPost, CanRead},
        extract,
        problem::Problem,
    },
};

/// Endpoints of a table; the rest is counted.
const MOST_ROWS: usize = 40;
/// Accounts to choose from; where there are more, one is typed.
const MOST_ACCOUNTS: usize = 200;

/// What is behind the question mark.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    r#type: Option<String>,
    account: Option<String>,
}

pub async fn show(page: Page) -> Shown {
    page.caller::<CanRead>()?;
    let Asked { r#type: event_type, account } = page.query()?;
    let (event_type, account) = (event_type.unwrap_or_default(), account.unwrap_or_default());
    let (matched, errors) = if event_type.is_empty() {
        (None, FormErrors::default())
    } else {
        match example_of(&page, &event_type, &account) {
            Ok(matched) => (Some(matched), FormErrors::default()),
            Err(problem) => (None, FormErrors::of(problem)?),
        }
    };
    let body = html! {
        (errors.summary(&filters::LABELS))
        form.ask.sec method="get" action="/events/who" novalidate {
            (filters::type_field(&page, &errors, &event_type, None))
            @if !page.is_customer() { (account_choice(&page, &errors, &account)) }
            button.btn.main type="submit" { "Check" }
        }
        @match &matched {
            Some(matched) => (results(&page, matched)),
            None => p.sub.sec { "Subscriptions are matched with the type alone, so the catalog’s example stands for the event. " @if page.can::<CanPost>() { "To check one of your own, " a href="/events/send" { "write it first" } "." } }
        }
    };
    let lede = html! { "Name an event and see which endpoints would get it, and why. Nothing is sent." };
    let view = View::new(Tab::Events, "Who would get this?").crumb("Who would get this?", None);
    Ok(page.show(view.status(errors.status()).lede(lede).body(body)))
}

/// The dry run of the catalog's example.
fn example_of(page: &Page, event_type: &str, account: &str) -> Result<Matched, Problem> {
    let name: Option<EventTypeName> = event_type.parse().ok();
    let entry = name.and_then(|name| page.api().catalog().get(&name));
    let example = entry.as_ref().map_or("{}", |entry| &*entry.event_type.example);
    let body = Body::default().text("type", event_type).text("account", account);
    let body = body.object("data", Body::default().json("object", example)?).into_text();
    ask(page.api(), &page.caller::<CanAsk>()?, extract::parse(body.as_bytes())?)
}

fn account_choice(page: &Page, errors: &FormErrors, account: &str) -> Markup {
    let snapshot = page.api().registry().snapshot();
    let mut known: BTreeSet<&str> = snapshot.endpoints().values().map(|endpoint| endpoint.account.as_str()).collect();
    if known.len() > MOST_ACCOUNTS {
        return filters::account_field(page, errors, account, None);
    }
    let account = if account.is_empty() { "default" } else { account };
    known.extend(["default", account]);
    let options: Vec<_> = known.into_iter().map(|account| (account, account)).collect();
    Field::new("account", "Account", account).select(errors, &options)
}

/// Both tables, each with its finding as its title.
pub fn results(page: &Page, matched: &Matched) -> Markup {
    let Matched { event_type, account, endpoints } = matched;
    let theirs = |(_, fate): &&(Arc<Endpoint>, Fate)| fate.reasons.contains(&Reason::OtherAccount);
    let of_account: Vec<_> = endpoints.iter().filter(|one| !theirs(one)).collect();
    let (get, miss): (Vec<_>, Vec<_>) = of_account.iter().partition(|(_, fate)| fate.outcome != Outcome::Skipped);
    let checked = html! { span.sub { "Checked at " (clock_seconds(page.now(), page.now())) } };
    let whose = if page.is_customer() { "your".to_owned() } else { format!("{account}’s") };
    let title = match (get.len(), of_account.len()) {
        (_, 0) if page.is_customer() => "You have no endpoints".to_owned(),
        (_, 0) => format!("The account {account} has no endpoints"),
        (1, 1) => format!("{} only endpoint would get it", capitalised(&whose)),
        (0, 1) => format!("{} only endpoint would not get it", capitalised(&whose)),
        (0, all) => format!("None of {whose} {} endpoints would get it", in_letters(all)),
        (some, all) if some == all => format!("All {} of {whose} endpoints would get it", in_letters(all)),
        (some, all) => {
            format!("{} of {whose} {} endpoints would get it", capitalised(&in_letters(some)), in_letters(all))
        }
    };
    html! {
        (section("gets", &title, Some(checked), &html! {
            @if get.is_empty() { p.sub { "An event like this would be accepted, kept, and sent to nobody." } }
            @else { (table(page, event_type, &get)) }
        }))
        @if !miss.is_empty() {
            (section("misses", &format!("{} would not", capitalised(&in_letters(miss.len()))), None, &table(page, event_type, &miss)))
        }
        (others(&endpoints.iter().filter(theirs).collect::<Vec<_>>()))
    }
}

/// A small number as a word within a sentence.
fn in_letters(number: usize) -> String {
    number_word(number as u64).to_lowercase()
}

/// What is said of other accounts' endpoints: how many there are, and which would get it if the event were theirs.
fn others(theirs: &[&(Arc<Endpoint>, Fate)]) -> Markup {
    let would = theirs.iter().filter(|(_, fate)| fate.reasons == [Reason::OtherAccount]);
    let accounts: BTreeSet<&str> = would.map(|(endpoint, _)| endpoint.account.as_str()).collect();
    html! {
        @match theirs.len() {
            0 => {}
            1 => p.sub.gap { "One other endpoint belongs to another account and is never asked." }
            more => p.sub.gap { "The other " (in_letters(more)) " endpoints belong to other accounts and are never asked." }
        }
        @if !accounts.is_empty() {
            p.sub {
                "If the event were theirs, it would go to endpoints of "
                (accounts.iter().take(10).copied().collect::<Vec<_>>().join(", "))
                @if accounts.len() > 10 { " and " (accounts.len() - 10) " more accounts" } "."
            }
        }
    }
}

fn table(page: &Page, event_type: &EventTypeName, rows: &[&&(Arc<Endpoint>, Fate)]) -> Markup {
    html! {
        table.tb.t-who {
            thead { tr { th.a-st { "Would be" } th.a-ep { "Endpoint" } th.mk { "Type" } th.mk { "Enabled" } th { "Why" } } }
            tbody {
                @for (endpoint, fate) in rows.iter().take(MOST_ROWS) {
                    tr {
                        td.a-st { (outcome(fate.outcome)) }
                        td.a-ep {
                            a.row href={ "/endpoints/" (endpoint.id) } { span.cut { (endpoints::name(endpoint)) } }
                            span.sub.mono.cut { (endpoints::short_address(&endpoint.url)) }
                        }
                        td.mk.a-m1 { (mark("Type", !fate.reasons.contains(&Reason::NotSubscribed))) }
                        td.mk.a-m2 { (mark("Enabled", endpoint.status == EndpointStatus::Enabled)) }
                        td.a-why { (why(page, endpoint, event_type)) }
                    }
                }
            }
        }
        @if rows.len() > MOST_ROWS { p.sub.gap { "And " (in_letters(rows.len() - MOST_ROWS)) " more." } }
    }
}

fn outcome(outcome: Outcome) -> Markup {
    let (class, shape, word) = match outcome {
        Outcome::Sent => ("st ok", "ok", "Sent"),
        Outcome::Held => ("st", "pause", "Held"),
        Outcome::Skipped => ("st off", "off", "Skipped"),
    };
    html! { span class=(class) { (icon(shape)) (word) } }
}

fn mark(of: &str, yes: bool) -> Markup {
    html! {
        @if yes { (icon("yes")) } @else { span.no { (icon("no")) } }
        span.mlab { (of) } span.vh { @if yes { "yes" } @else { "no" } }
    }
}

/// The reasons in a sentence.
fn why(page: &Page, endpoint: &Endpoint, event_type: &EventTypeName) -> Markup {
    let subscription = endpoint.subscription_to(event_type);
    let status = match &endpoint.status {
        EndpointStatus::Enabled => None,
        EndpointStatus::Paused if subscription.is_none() => Some("paused".to_owned()),
        EndpointStatus::Paused => Some("paused: it would be held until the endpoint is resumed".to_owned()),
        EndpointStatus::Disabled { reason } if reason.starts_with("disabled") => Some(reason.clone()),
        EndpointStatus::Disabled { reason } => Some(format!("disabled: {reason}")),
    };
    let failing = page.api().store().health(endpoint.id).failing_since;
    html! {
        @match subscription {
            Some(Subscription::All) => "Gets every type",
            Some(Subscription::Below(prefix)) => { "Gets all below " span.mono { (prefix) } }
            Some(Subscription::Exact(name)) => { "Ticked " span.mono { (name) } }
            None => (only(&endpoint.event_types))
        }
        @match (subscription, status) {
            (Some(_), Some(status)) => { ", but " (prose(&status)) "." }
            (None, Some(status)) => { ", and it is " (prose(&status)) "." }
            (_, None) => "."
        }
        @if let Some(since) = failing.filter(|_| subscription.is_some() && endpoint.status == EndpointStatus::Enabled) {
            " Failing since " (clock(page.now(), since)) ", so it may take a retry."
        }
    }
}

fn only(subscriptions: &[Subscription]) -> Markup {
    html! {
        "Ticked "
        @for (index, subscription) in subscriptions.iter().take(3).enumerate() {
            @if index > 0 { @if index + 1 == subscriptions.len() { " and " } @else { ", " } }
            span.mono { (subscription) }
        }
        @if subscriptions.len() > 3 { " and " (in_letters(subscriptions.len() - 3)) " more" }
        " only"
    }
}
