//! Making a token.

use actix_web::{HttpResponse, http::StatusCode};
use maud::html;

use super::{
    super::{
        super::{
            components::{Field, FormErrors, field_error},
            form::{Body, Form},
            layout::{self, Tab, View},
            page::{Page, Shown},
        },
        filters,
    },
    ROLES, list,
};
use crate::http::{api::tokens, auth::CanChangeServer};

const LABELS: [(&str, &str); 4] =
    [("name", "Name"), ("role", "Role"), ("account", "Account"), ("expires_in", "Valid for")];

/// What the form holds.
struct Draft<'a> {
    name: &'a str,
    role: &'a str,
    account: &'a str,
    expires_in: &'a str,
}

pub async fn ask(page: Page) -> Shown {
    page.caller::<CanChangeServer>()?;
    let draft = Draft { name: "", role: "read", account: "", expires_in: "90d" };
    Ok(form_page(&page, &draft, &FormErrors::default()))
}

pub async fn make(page: Page, form: Form) -> Shown {
    let caller = page.caller::<CanChangeServer>()?;
    let text = |name| form.text(name);
    let draft =
        Draft { name: text("name"), role: text("role"), account: text("account"), expires_in: text("expires_in") };
    let body = Body::default()
        .with("name", draft.name)
        .text("role", draft.role)
        .text("account", draft.account)
        .text("expires_in", draft.expires_in);
    let made = match body.parse() {
        Ok(new) => tokens::make(page.api(), &caller, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok((token, text)) => {
            let mut shown = list::listed(&page, Some(&list::made(&token, text.expose())))?;
            *shown.status_mut() = StatusCode::CREATED;
            Ok(shown)
        }
        Err(problem) => Ok(form_page(&page, &draft, &FormErrors::of(problem)?)),
    }
}

fn form_page(page: &Page, draft: &Draft<'_>, errors: &FormErrors) -> HttpResponse {
    let body = html! {
        div.two.l {
            form.form.sec method="post" action="/tokens/new" novalidate {
                (layout::form_token(page))
                (errors.summary(&LABELS))
                (Field::new("name", "Name", draft.name).hint("Who or what has it, like billing. It stands in the audit log.").input(errors))
                fieldset.fld #role tabindex="-1" {
                    legend { "Role" }
                    (field_error("role", errors))
                    div.ticks {
                        @for (role, about) in ROLES {
                            label.tick {
                                input type="radio" name="role" value=(role) checked[draft.role == role];
                                span.mono { (role) }
                                span.sub { (about) }
                            }
                        }
                    }
                }
                (filters::account_field(page, errors, draft.account, Some("Bound to it, the token sees and makes only this account’s things. All accounts, if left empty.")))
                (Field::new("expires_in", "Valid for", draft.expires_in).optional().hint("Like 12h or 90d. Until it is deleted, if left empty.").input(errors))
                div.acts { button.btn.main type="submit" { "Make token" } a.btn href="/tokens" { "Cancel" } }
            }
            div.aside.sec {
                div { h2 { "Shown once" } p { "The token’s text shows on the next page, and never again. Only a hash of it is stored." } }
                div { h2 { "As little as it takes" } p { "A producer needs ingest. For people who look after one customer, bind the token to that account." } }
            }
        }
    };
    let view = View::new(Tab::Tokens, "Make token").crumb("New", None).status(errors.status());
    page.show(view.body(body))
}
