//! A page's request: who asks, what they may, and what they sent. A page is an async function of a [`Page`] (and of a
//! [`Form`], where it is posted); [`resource`] turns it into a route, sees to the session and to forgery before it runs,
//! and shows what it refuses as a page too.

use std::{future::Future, ops::ControlFlow, str::FromStr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::header::{self, HeaderValue},
    middleware::Compress,
    web::{self, Data, Payload},
};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::{
    cookie,
    form::{Form, TOKEN_FIELD},
    layout::View,
    origin, pages, response,
};
use crate::{
    domain::{account::Account, session::PORTAL_NAME, time::Timestamp, token::Token},
    http::{
        Api,
        auth::{Caller, Right},
        extract::{self, ListQuery},
        problem::{Kind, Problem},
    },
};

/// What a page answers.
pub type Shown = Result<HttpResponse, Problem>;

/// A signed-in visitor's request.
#[derive(Clone)]
pub struct Page {
    request: HttpRequest,
    api: Data<Api>,
    token: Arc<Token>,
    form_token: String,
}

impl Page {
    /// What the server is made of.
    pub fn api(&self) -> &Data<Api> {
        &self.api
    }

    /// The time on the wall.
    pub fn now(&self) -> Timestamp {
        self.api.clock().wall()
    }

    /// The token whose rights the visitor has.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether the visitor sees one account alone.
    pub fn is_customer(&self) -> bool {
        self.token.account.is_some()
    }

    /// Whether a portal link opened the session: the visitor has no token, and cannot get one.
    pub fn is_portal(&self) -> bool {
        self.token.name == PORTAL_NAME
    }

    /// Whether things of this account are there for the visitor.
    pub fn sees(&self, account: &Account) -> bool {
        self.token.account.as_ref().is_none_or(|own| own == account)
    }

    /// Whether the visitor has this right: what is not allowed, is not shown.
    pub fn can<R: Right>(&self) -> bool {
        R::refuses(&self.token).is_none()
    }

    /// The visitor as the API knows those who call it.
    ///
    /// # Errors
    /// 403: the token has not this right.
    pub fn caller<R: Right>(&self) -> Result<Caller<R>, Problem> {
        Caller::new(Arc::clone(&self.token))
    }

    /// Whether the visitor's session is still open, and its rights still hold; for what outlasts a request.
    pub fn still_open(&self) -> bool {
        let api = &self.api;
        let rights = |text: String| api.sessions().rights(&text, api.tokens(), api.clock().wall());
        cookie::read(&self.request, api).and_then(rights).is_some()
    }

    /// What a form has to carry; see `layout::form_token`.
    pub fn form_token(&self) -> &str {
        &self.form_token
    }

    /// What the request was sent to.
    pub fn host(&self) -> String {
        self.request.connection_info().host().to_owned()
    }

    /// Where this server is reached, for commands that people copy.
    pub fn origin(&self) -> String {
        self.api.origin(&self.request)
    }

    /// The request itself.
    pub fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// `{id}` or another part of the path.
    ///
    /// # Errors
    /// 404: the text cannot be one.
    pub fn part<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        let text = self.request.match_info().get(name).unwrap_or_default();
        text.parse().map_err(|_| Problem::not_found(what))
    }

    /// The query's parameters as the API reads them; those that are empty, as forms send them, count as left out.
    ///
    /// # Errors
    /// As the API's.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        extract::page_query(self.request.query_string())
    }

    /// The same for a list: its filter, its limit and its cursor.
    ///
    /// # Errors
    /// As the API's.
    pub fn list_query<F: DeserializeOwned>(&self) -> Result<ListQuery<F>, Problem> {
        extract::page_list_query(self.request.path(), self.request.query_string())
    }

    /// What the query has under this name, as it was typed.
    pub fn typed(&self, name: &str) -> String {
        let mut query = url::form_urlencoded::parse(self.request.query_string().as_bytes());
        query.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The path of the next page of a list: this one's, with this cursor.
    pub fn path_with_cursor(&self, cursor: &str) -> String {
        let query = url::form_urlencoded::parse(self.request.query_string().as_bytes());
        let mut next = url::form_urlencoded::Serializer::new(String::new());
        next.extend_pairs(query.filter(|(name, value)| name != "cursor" && !value.is_empty()));
        next.append_pair("cursor", cursor);
        format!("{}?{}", self.request.path(), next.finish())
    }

    /// The page that this content makes.
    pub fn show(&self, view: View) -> HttpResponse {
        let (status, markup) = view.render(self);
        response::html(status, markup)
    }
}

/// A page's resource; more methods are added with [`PageResource::post`].
pub struct PageResource {
    path: &'static str,
    routes: Vec<Route>,
    allow: &'static str,
}

/// A page that is looked at.
pub fn resource<F, R>(path: &'static str, show: F) -> PageResource
where
    F: Fn(Page) -> R + Clone + 'static,
    R: Future<Output = Shown> + 'static,
{
    let handler = move |request: HttpRequest, api: Data<Api>| {
        let show = show.clone();
        async move {
            match sign_in(request, api) {
                ControlFlow::Break(answer) => answer,
                ControlFlow::Continue(page) => shown(&page, show(page.clone()).await),
            }
        }
    };
    let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
    PageResource { path, routes: vec![route], allow: "GET, HEAD" }
}

/// A form's target that has nothing to look at.
pub fn target<F, R>(path: &'static str, act: F) -> PageResource
where
    F: Fn(Page, Form) -> R + Clone + 'static,
    R: Future<Output = Shown> + 'static,
{
    PageResource { path, routes: Vec::new(), allow: "POST" }.post(act)
}

impl PageResource {
    /// What a form that is posted here does.
    pub fn post<F, R>(mut self, act: F) -> Self
    where
        F: Fn(Page, Form) -> R + Clone + 'static,
        R: Future<Output = Shown> + 'static,
    {
        let handler = move |request: HttpRequest, payload: Payload, api: Data<Api>| {
            let act = act.clone();
            async move {
                let page = match sign_in(request, api) {
                    ControlFlow::Break(answer) => return answer,
                    ControlFlow::Continue(page) => page,
                };
                match unforged(&page, payload).await {
                    Ok(form) => shown(&page, act(page.clone(), form).await),
                    Err(problem) => pages::refused(&page, &problem),
                }
            }
        };
        self.routes.push(web::route().guard(guard::Post()).to(handler));
        if !self.allow.starts_with("POST") {
            self.allow = "GET, HEAD, POST";
        }
        self
    }

    /// Adds it to the application.
    pub fn add_to(self, config: &mut web::ServiceConfig) {
        let resource = self.routes.into_iter().fold(web::resource(self.path), Resource::route);
        config.service(finished(resource, self.allow));
    }
}

/// A resource that is compressed, and answers other methods with a page.
pub fn finished(
    resource: Resource,
    allow: &'static str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl actix_web::body::MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let refuse = move |api: Data<Api>| async move {
        let mut answer = pages::unknown_method(&api);
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        answer
    };
    // What is compressed beside the form's token could give it away only to who can have a victim's browser ask with its
    // cookie, which `SameSite=Strict` precludes.
    resource.default_service(web::to(refuse)).wrap(Compress::default())
}

/// The visitor, or the way to the sign-in.
fn sign_in(request: HttpRequest, api: Data<Api>) -> ControlFlow<HttpResponse, Page> {
    let text = cookie::read(&request, &api);
    let token = text.as_deref().and_then(|text| api.sessions().rights(text, api.tokens(), api.clock().wall()));
    match (text, token) {
        (Some(text), Some(token)) => {
            ControlFlow::Continue(Page { form_token: cookie::form_token(&text), request, api, token })
        }
        _ => ControlFlow::Break(pages::to_sign_in(&request, &api)),
    }
}

/// Where the fault of a form lies that was made for another session.
pub const OTHER_SESSION: &str = "/form_token";

/// The form, if it comes from one of our pages that was made for this session.
async fn unforged(page: &Page, payload: Payload) -> Result<Form, Problem> {
    origin::check(&page.request, &page.api)?;
    let form = Form::read(payload, page.api.settings().max_event_size).await?;
    let given = form.text(TOKEN_FIELD);
    if bool::from(given.as_bytes().ct_eq(page.form_token.as_bytes())) {
        Ok(form)
    } else {
        let detail = "the form is of another session, so nothing was done; load its page again and send it once more";
        Err(Problem::field(Kind::Forbidden, OTHER_SESSION, detail))
    }
}

fn shown(page: &Page, answer: Shown) -> HttpResponse {
    answer.unwrap_or_else(|problem| pages::refused(page, &problem))
}
