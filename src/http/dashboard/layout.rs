//! What is around every page: the bar with its tabs, the way here, the head with the sentence that answers the visitor's
//! question, and the foot.

use actix_web::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::{components::icon, form::TOKEN_FIELD, look::PlatformName, page::Page};
use crate::{
    domain::session::PORTAL_NAME,
    http::{
        Api,
        auth::{CanRead, CanReadServer},
    },
};

/// The tabs of the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Endpoints,
    Logs,
    Events,
    EventTypes,
    Tokens,
    AuditLog,
    Live,
}

impl Tab {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Endpoints,
        Self::Logs,
        Self::Events,
        Self::EventTypes,
        Self::Tokens,
        Self::AuditLog,
        Self::Live,
    ];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Endpoints => "Endpoints",
            Self::Logs => "Logs",
            Self::Events => "Events",
            Self::EventTypes => "Event types",
            Self::Tokens => "Tokens",
            Self::AuditLog => "Audit log",
            Self::Live => "Live",
        }
    }

    /// The path of its page.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Endpoints => "/endpoints",
            Self::Logs => "/logs",
            Self::Events => "/events",
            Self::EventTypes => "/event-types",
            Self::Tokens => "/tokens",
            Self::AuditLog => "/audit-log",
            Self::Live => "/live",
        }
    }

    fn is_for(self, page: &Page) -> bool {
        match self {
            Self::Tokens => page.can::<CanReadServer>(),
            _ => page.can::<CanRead>(),
        }
    }
}

/// A page's content.
pub struct View {
    title: String,
    status: StatusCode,
    tab: Option<Tab>,
    crumbs: Vec<(String, Option<String>)>,
    lede: Option<Markup>,
    actions: Option<Markup>,
    body: Markup,
}

impl View {
    /// A page under one of the tabs; its title is the one `h1`.
    pub fn new(tab: Tab, title: impl Into<String>) -> Self {
        Self { tab: Some(tab), ..Self::apart(title) }
    }

    /// A page under none.
    pub fn apart(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            status: StatusCode::OK,
            tab: None,
            crumbs: Vec::new(),
            lede: None,
            actions: None,
            body: html! {},
        }
    }

    /// A step of the way here, below the tab; the last one has no path.
    #[must_use]
    pub fn crumb(mut self, word: impl Into<String>, path: Option<String>) -> Self {
        self.crumbs.push((word.into(), path));
        self
    }

    /// The sentence under the title: what is the case, in plain English.
    #[must_use]
    pub fn lede(mut self, lede: Markup) -> Self {
        self.lede = Some(lede);
        self
    }

    /// Links and buttons to the right of the title.
    #[must_use]
    pub fn actions(mut self, actions: Markup) -> Self {
        self.actions = Some(actions);
        self
    }

    /// The sections.
    #[must_use]
    pub fn body(mut self, body: Markup) -> Self {
        self.body = body;
        self
    }

    /// Another status than 200.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Its status, and the whole page for this visitor.
    pub fn render(self, page: &Page) -> (StatusCode, Markup) {
        let Self { title, status, tab, crumbs, lede, actions, body } = self;
        let content = html! {
            (skip())
            (bar(page, tab))
            main #main .wrap {
                @if !crumbs.is_empty() { (way(tab, &crumbs)) }
                div.head {
                    div {
                        h1 { (title) }
                        @if let Some(lede) = lede { p.lede { (lede) } }
                    }
                    @if let Some(actions) = actions { div.acts { (actions) } }
                }
                (body)
            }
            (foot(page))
        };
        (status, document(page.api(), &title, page.is_customer(), "", &content))
    }
}

/// A small page without tabs, in the middle of the window. Nobody is known to look at it: with a platform's name it is that
/// platform's, since its customers may.
pub fn solo(api: &Api, title: &str, extra_head: Option<Markup>, content: &Markup) -> Markup {
    let content = html! {
        @if let Some(extra) = extra_head { (extra) }
        main #main {
            div.brand {
                @match &api.settings().portal.name {
                    Some(name) => (name.as_str()),
                    None => { (brand_mark()) "Mythichooks" }
                }
            }
            (content)
        }
        footer.foot { div.wrap { span { "Mythichooks " (env!("CARGO_PKG_VERSION")) } } }
    };
    document(api, title, api.settings().portal.name.is_some(), "solo", &content)
}

fn document(api: &Api, title: &str, customer: bool, class: &str, content: &Markup) -> Markup {
    let assets = api.assets();
    let name = if customer { api.settings().portal.name.as_ref().map(PlatformName::as_str) } else { None };
    let name = name.unwrap_or("Mythichooks");
    html! {
        (DOCTYPE)
        html lang="en" class=[customer.then_some("customer")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (name) }
                link rel="stylesheet" href=(assets.style());
                link rel="icon" href=(assets.icon()) type="image/svg+xml";
                script src=(assets.script()) defer {}
            }
            body class=[Some(class).filter(|class| !class.is_empty())] {
                (super::components::sprite())
                (content)
            }
        }
    }
}

fn skip() -> Markup {
    html! { a.skip href="#main" { "Skip to content" } }
}

fn brand_mark() -> Markup {
    icon("hook")
}

fn bar(page: &Page, current: Option<Tab>) -> Markup {
    let look = &page.api().settings().portal;
    let platform = look.name.as_ref().filter(|_| page.is_customer());
    html! {
        header.bar {
            div.wrap {
                @match platform {
                    Some(name) => a.brand href="/" {
                        @match page.api().assets().logo() {
                            Some(logo) => img.logo src=(logo) alt="" height="24";,
                            None => span.letter aria-hidden="true" { (name.as_str().chars().next().unwrap_or('M')) }
                        }
                        (name.as_str()) span.sub { "Webhooks" }
                    }
                    None => a.brand href="/" { (brand_mark()) "Mythichooks" }
                }
                nav.nav aria-label="Main" {
                    @for tab in Tab::ALL.into_iter().filter(|tab| tab.is_for(page)) {
                        a href=(tab.path()) aria-current=[(Some(tab) == current).then_some("page")] { (tab.word()) }
                    }
                }
                div.who {
                    span.hide { (who(page)) }
                    form method="post" action="/sign-out" {
                        (form_token(page))
                        button.link type="submit" { "Sign out" }
                    }
                }
            }
        }
    }
}

fn who(page: &Page) -> Markup {
    let token = page.token();
    html! {
        @match &token.account {
            Some(account) if token.name == PORTAL_NAME => { (account) }
            Some(account) => { (token.name) ", " (account) }
            None => { (token.name) }
        }
        @if !page.can::<crate::http::auth::CanChange>() { ", read only" }
    }
}

/// The hidden field that every form of a signed-in visitor has.
pub fn form_token(page: &Page) -> Markup {
    html! { input type="hidden" name=(TOKEN_FIELD) value=(page.form_token()); }
}

fn way(tab: Option<Tab>, crumbs: &[(String, Option<String>)]) -> Markup {
    html! {
        nav.crumb aria-label="Way here" {
            @if let Some(tab) = tab { a href=(tab.path()) { (tab.word()) } " / " }
            @for (index, (word, path)) in crumbs.iter().enumerate() {
                @if index > 0 { " / " }
                @match path {
                    Some(path) => a href=(path) { (word) },
                    None => span aria-current="page" { (word) }
                }
            }
        }
    }
}

fn foot(page: &Page) -> Markup {
    let version = env!("CARGO_PKG_VERSION");
    let platform = page.api().settings().portal.name.as_ref().filter(|_| page.is_customer());
    html! {
        footer.foot {
            div.wrap {
                span { "All times are UTC." }
                @match platform {
                    Some(name) => span { "Sent by " (name.as_str()) " with Mythichooks" },
                    None => span { "Mythichooks " (version) " on " (page.host()) }
                }
            }
        }
    }
}
