//! Deleting a token, with what follows from it.

use maud::html;

use super::super::super::{
    components::FormErrors,
    form::Form,
    layout::{self, Tab, View},
    page::{Page, Shown},
    response,
};
use crate::{
    domain::ids::TokenId,
    http::{api::tokens, auth::CanChangeServer, problem::Problem},
};

pub async fn ask(page: Page) -> Shown {
    page.caller::<CanChangeServer>()?;
    shown(&page, &FormErrors::default())
}

pub async fn delete(page: Page, _: Form) -> Shown {
    let caller = page.caller::<CanChangeServer>()?;
    let id: TokenId = page.part("id", "token")?;
    match tokens::remove(page.api(), &caller, id).await {
        Ok(()) => Ok(response::go_to("/tokens")),
        Err(problem) => shown(&page, &FormErrors::of(problem)?),
    }
}

fn shown(page: &Page, errors: &FormErrors) -> Shown {
    let id: TokenId = page.part("id", "token")?;
    let all = page.api().tokens().all();
    let token = all.iter().find(|token| token.id == id).ok_or_else(|| Problem::not_found("token"))?;
    let body = html! {
        form.form.sec method="post" action={ "/tokens/" (id) "/delete" } {
            (layout::form_token(page))
            (errors.summary(&[]))
            ul.list {
                li { "Whoever uses it is refused from then on, also those who are signed in with it." }
                @if token.id == page.token().id { li { strong { "It is the token that you are signed in with." } " You will have to sign in again with another." } }
                li { "What was done with it stays in the audit log." }
            }
            div.acts { button.btn.risk type="submit" { "Delete " (token.name) } a.btn href="/tokens" { "Cancel" } }
        }
    };
    let view = View::new(Tab::Tokens, "Delete token").crumb(token.name.clone(), None).crumb("Delete", None);
    let lede = html! { strong { (token.name) } ", role " (token.role.as_str()) @if let Some(account) = &token.account { ", bound to " (account) } "." };
    Ok(page.show(view.lede(lede).status(errors.status()).body(body)))
}
