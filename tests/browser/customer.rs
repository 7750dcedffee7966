//! A customer who comes by a portal link: sees its own account on every page, and reaches another by no address and no
//! form, however well it knows the other's ids.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::chromium::Scripts;
use crate::ground::{ACCOUNT, Ground, OTHER, Things};
use crate::pages::{Audience, PAGES};
use crate::person::{Hand, Person};
use crate::support::Browser;
use crate::support::browser::{hidden, text};

/// The forms of the page that change something: where each goes, and its fields.
const FORMS: &str = r"
    return [...document.forms].filter((form) => form.method === 'post').map((form) =>
        [new URL(form.action).pathname, [...new FormData(form)].filter(([name]) => name !== 'form_token')]);
";

/// A path with the ids of one account in place of those of another; none, if there was none in it.
fn exchanged(path: &str, own: &Things, others: &Things) -> Option<String> {
    let named = own.iter().filter(|(name, _)| **name != "type").filter_map(|(name, id)| Some((id, others.get(name)?)));
    let path_of_others = named.fold(path.to_owned(), |path, (id, other)| path.replace(id, other));
    (path_of_others != path).then_some(path_of_others)
}

/// All that the API says of an account, without what goes on by itself.
fn state_of(ground: &Ground, account: &str) -> Vec<Value> {
    let mut endpoints = ground.admin.list(&format!("/v1/endpoints?account={account}"));
    for endpoint in &mut endpoints {
        endpoint["health"].take();
    }
    endpoints.extend(ground.admin.list(&format!("/v1/audit-log?account={account}")));
    endpoints.extend(ground.admin.list(&format!("/v1/deliveries?account={account}&limit=500")));
    endpoints
}

#[test]
fn sees_its_own_account_and_reaches_no_other() {
    let ground = Ground::furnished();
    let person = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    person.go(&ground.portal_link(ACCOUNT));
    person.sees("Sign out");
    assert_eq!(person.place(), "/endpoints", "the script presses the link's button");
    assert!(person.could_press("Logs") && !person.could_press("Tokens"), "{}", person.text());

    let mut forms = BTreeSet::new();
    for listed in PAGES.iter().filter(|listed| listed.audience == Audience::Everyone) {
        let path = listed.filled(&ground.things).unwrap();
        person.go(&path);
        let page = person.html();
        let strange = ground.others.iter().filter(|(name, _)| **name != "type").find(|(_, id)| page.contains(&**id));
        assert!(!page.contains(OTHER) && strange.is_none(), "{path} shows what is another's: {strange:?}\n{page}");
        for form in person.browser.run(FORMS, &[]).as_array().unwrap() {
            forms.insert((form[0].as_str().unwrap().to_owned(), form[1].to_string()));
        }
    }

    let before = state_of(&ground, OTHER);
    for listed in PAGES {
        let Some(path) = exchanged(&listed.filled(&ground.things).unwrap(), &ground.things, &ground.others) else {
            continue;
        };
        person.go(&path);
        assert!(!person.html().contains(OTHER), "{path}: {}", person.text());
        // A filter by another's id finds nothing; a path to it is of nothing that there is.
        let found = person.browser.run("return document.querySelectorAll('main tbody tr').length", &[]);
        assert!(person.status() == 404 || path.contains('?') && found == 0, "{path}: {}", person.text());
    }
    for path in ["/tokens", "/logs?account=globex", "/events?account=globex", "/endpoints?account=globex"] {
        person.go(path);
        assert!((400..=404).contains(&person.status()), "{path}: {}", person.text());
    }

    let (name, value) = person.browser.cookies().remove(0);
    let mut browser = Browser::new(&ground.server);
    browser.cookie = Some(format!("{name}={value}"));
    let token = hidden(&browser.page("/endpoints"), "form_token");
    let mut sent = 0;
    for (action, fields) in forms {
        let Some(path) = exchanged(&action, &ground.things, &ground.others) else { continue };
        let fields: Vec<(String, String)> = serde_json::from_str(&fields).unwrap();
        let mut all = vec![("form_token", &*token)];
        all.extend(fields.iter().map(|(name, value)| (&**name, &**value)));
        let answer = browser.post(&path, &all);
        assert_eq!(answer.status, 404, "{answer}");
        assert!(!text(&answer).contains(OTHER), "{answer}");
        sent += 1;
    }
    assert!(sent >= 6, "only {sent} forms were tried");
    assert_eq!(state_of(&ground, OTHER), before, "nothing of the other account was touched");
}
