//! The pages of the dashboard, in one table: a page that is added here gets every check at once.

use std::collections::BTreeMap;

use Audience::{Everyone, Nobody, Operators};

/// Who can look at a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Operators, and customers for their own account.
    Everyone,
    Operators,
    /// Visitors who have not signed in.
    Nobody,
}

/// A page, or what a page answers when one of its buttons is pressed.
pub struct Listed {
    pub audience: Audience,
    /// With names in braces for the ids in it; without one of these there is no such page.
    pub path: &'static str,
    /// What is pressed there first.
    pub press: Option<&'static str>,
    pub status: u16,
}

impl Listed {
    /// The path with ids filled in, if there are such.
    pub fn filled(&self, things: &BTreeMap<&'static str, String>) -> Option<String> {
        let mut path = self.path.to_owned();
        for (name, id) in things {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        (!path.contains('{')).then_some(path)
    }

    /// For a report of faults.
    pub fn name(&self) -> String {
        format!("{}{}", self.path, self.press.map_or(String::new(), |press| format!(" -> {press}")))
    }
}

const fn page(audience: Audience, path: &'static str) -> Listed {
    Listed { audience, path, press: None, status: 200 }
}

const fn refused(audience: Audience, path: &'static str, status: u16) -> Listed {
    Listed { audience, path, press: None, status }
}

const fn pressed(audience: Audience, path: &'static str, press: &'static str, status: u16) -> Listed {
    Listed { audience, path, press: Some(press), status }
}

pub const PAGES: &[Listed] = &[
    page(Nobody, "/sign-in"),
    pressed(Nobody, "/sign-in", "Sign in", 401),
    refused(Nobody, "/portal/spent", 404),
    refused(Nobody, "/no/such/page", 404),
    page(Everyone, "/"),
    page(Everyone, "/?span=15m"),
    page(Everyone, "/?span=7d"),
    page(Everyone, "/endpoints"),
    page(Everyone, "/endpoints?status=paused"),
    page(Everyone, "/endpoints/new"),
    pressed(Everyone, "/endpoints/new", "Add endpoint", 422),
    page(Everyone, "/endpoints/{endpoint}"),
    pressed(Everyone, "/endpoints/{endpoint}", "Reveal", 200),
    page(Everyone, "/endpoints/{endpoint}/edit"),
    page(Everyone, "/endpoints/{endpoint}/rotate"),
    page(Everyone, "/endpoints/{endpoint}/replay"),
    page(Everyone, "/endpoints/{endpoint}/replay?since=2020-01-01T00:00:00Z&until=&select=failed"),
    page(Everyone, "/endpoints/{endpoint}/delete"),
    page(Everyone, "/endpoints/{paused}"),
    page(Everyone, "/endpoints/{disabled}"),
    page(Everyone, "/logs"),
    page(Everyone, "/logs?status=failed"),
    page(Everyone, "/logs?endpoint_id={endpoint}"),
    page(Everyone, "/logs?type=usage.threshold.reached"),
    page(Everyone, "/logs/retry?endpoint_id={endpoint}"),
    page(Everyone, "/logs/{delivery}"),
    page(Everyone, "/logs/{delivery}?attempt=1"),
    page(Everyone, "/logs/{delivered}"),
    refused(Everyone, "/logs/dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB", 404),
    refused(Everyone, "/logs?status=nonsense", 400),
    page(Everyone, "/events"),
    page(Everyone, "/events?type=batch.completed"),
    page(Everyone, "/events/{event}"),
    page(Everyone, "/events/send"),
    pressed(Everyone, "/events/send", "Who would get this?", 200),
    page(Everyone, "/events/who"),
    page(Everyone, "/events/who?type=usage.threshold.reached"),
    page(Everyone, "/event-types"),
    page(Everyone, "/event-types/{type}"),
    page(Operators, "/event-types/add-new"),
    pressed(Operators, "/event-types/add-new", "Add event type", 422),
    page(Operators, "/event-types/{type}/edit"),
    page(Operators, "/event-types/{type}/delete"),
    page(Operators, "/tokens"),
    page(Operators, "/tokens/new"),
    pressed(Operators, "/tokens/new", "Make token", 422),
    page(Operators, "/tokens/{token}/delete"),
    page(Everyone, "/audit-log"),
    page(Everyone, "/live"),
    page(Everyone, "/live?status=failed"),
];
