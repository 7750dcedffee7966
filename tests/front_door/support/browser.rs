//! What a browser does for a person, as far as the dashboard needs it: keeps the cookie, sends forms with what they
//! hide, says where a request comes from.

use super::{Answer, Api, Server};

/// A browser that shows one page at a time.
pub struct Browser {
    api: Api,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn new(server: &Server) -> Browser {
        Browser { api: server.anonymous(), cookie: None }
    }

    /// Signed in with this API's token.
    pub fn signed_in(server: &Server, api: &Api) -> Browser {
        let mut browser = Browser::new(server);
        let answer = browser.sign_in(api.token.as_ref().unwrap());
        assert_eq!(answer.status, 303, "{answer}");
        browser
    }

    pub fn sign_in(&mut self, token: &str) -> Answer {
        self.post("/sign-in", &[("token", token)])
    }

    pub fn get(&self, path: &str) -> Answer {
        let mut headers = vec![("accept", "text/html,*/*;q=0.8")];
        headers.extend(self.cookie.as_deref().map(|cookie| ("cookie", cookie)));
        self.api.request("GET", path, &headers, None)
    }

    /// The page's text, which must be there.
    #[track_caller]
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{answer}");
        text(&answer)
    }

    /// What this session's forms carry.
    pub fn form_token(&self) -> String {
        hidden(&self.page("/endpoints"), "form_token")
    }

    /// Sends fields as they are, from where a browser says.
    pub fn post_from(&mut self, path: &str, fields: &[(&str, &str)], said: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let body = form.finish();
        let cookie = self.cookie.clone();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "text/html")];
        headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        headers.extend_from_slice(said);
        let answer = self.api.request("POST", path, &headers, Some(body.as_bytes()));
        if let Some(set) = answer.header("set-cookie") {
            let pair = set.split(';').next().unwrap().to_owned();
            self.cookie = Some(pair).filter(|pair| !pair.ends_with('='));
        }
        answer
    }

    /// Sends fields as a form of our own page does.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = self.api.base.clone();
        self.post_from(path, fields, &[("origin", &origin), ("sec-fetch-site", "same-origin")])
    }

    /// The same with the session's form token.
    pub fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let mut all = vec![("form_token", &*token)];
        all.extend_from_slice(fields);
        self.post(path, &all)
    }
}

/// An answer's body as text.
pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

/// The value of a page's first hidden field of this name.
#[track_caller]
pub fn hidden(page: &str, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let start = page.find(&marker).unwrap_or_else(|| panic!("no hidden field {name} in {page}")) + marker.len();
    unescaped(page[start..].split('"').next().unwrap())
}

/// Text of a page as a browser reads it.
pub fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
