//! Text from outside, full of markup, in every place that takes text: shows as it is, makes no element and runs nothing.

use serde_json::json;

use crate::chromium::Scripts;
use crate::ground::Ground;
use crate::pages::{Audience, PAGES};
use crate::person::{Hand, Person};
use crate::support::api::id;
use crate::support::{Receiver, Reply, Server};

/// Closes whatever it may stand in; each way to take effect would leave something with the name `evil`.
const HOSTILE: &str = "\"'>--></title></textarea></pre></svg><b id=evil>b</b><img src=x onerror=window.evil=1>\
    <script>window.evil=1</script>&lt;i id=evil&gt; <a href=javascript:window.evil=1 id=evil>a</a>";
/// Short enough for a token's name, and a platform's.
const HOSTILE_TOKEN: &str = "\"'><img src=x onerror=window.evil=1><b id=evil>token</b>&lt;";
const HOSTILE_NAME: &str = "\"'><b id=evil>Halcyon</b>&amp;";

/// What took effect.
const EVIL: &str = r"
    const found = [...document.querySelectorAll('#evil, [onerror], a[href^=\'javascript:\' i], script:not([src])')];
    return found.map((e) => e.outerHTML).concat(window.evil ? ['a script ran'] : []);
";

#[track_caller]
fn nothing_happened(person: &Person) {
    let evil = person.browser.run(EVIL, &[]);
    assert_eq!(evil, json!([]), "at {}", person.place());
}

fn ground() -> Ground {
    let server = Server::setup().documented_schedule().args(["--portal-name", HOSTILE_NAME]).start();
    let admin = server.admin();
    let receiver = Receiver::start(|_, _| Reply::status(500).header("x-evil", HOSTILE).body(HOSTILE));
    let more =
        json!({"account": "acme", "description": HOSTILE, "metadata": {"k": HOSTILE}, "headers": {"x-h": HOSTILE}});
    let endpoint = admin.endpoint_with(&format!("{}?q='\"><b/id=evil>", receiver.url()), &more);
    let example = json!({"k": HOSTILE, HOSTILE: 1});
    let kind = json!({"name": "evil.kind", "description": HOSTILE, "example": example});
    admin.post("/v1/event-types", &kind).expect(201);
    admin.post("/v1/tokens", &json!({"name": HOSTILE_TOKEN, "role": "read"})).expect(201);
    let event = json!({"type": "evil.kind", "account": "acme", "data": {"object": example}});
    let event = id(&admin.post("/v1/events", &event).expect(202));
    let delivery = id(&admin.delivery_after(&event, 1));
    let things =
        [("event", event), ("delivery", delivery), ("endpoint", id(&endpoint)), ("type", "evil.kind".to_owned())];
    Ground::of(server, things.into_iter().collect(), vec![receiver])
}

fn tour(ground: &Ground, person: &Person, audience: &[Audience]) {
    let shows =
        ["/endpoints", "/endpoints/{endpoint}", "/logs/{delivery}", "/events/{event}", "/event-types", "/tokens"];
    let listed = PAGES.iter().filter(|listed| audience.contains(&listed.audience));
    for (listed, path) in listed.filter_map(|listed| Some((listed, listed.filled(&ground.things)?))) {
        person.go(&path);
        listed.press.into_iter().for_each(|press| person.press(press));
        nothing_happened(person);
        if shows.contains(&listed.path) && listed.press.is_none() {
            // A name is cut in lists, so its beginning must do.
            person.sees("<img src=x onerror=");
        }
    }
}

#[test]
fn stays_text_on_every_page() {
    let ground = ground();
    let person = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    person.sign_in(ground.admin.token.as_ref().unwrap());
    tour(&ground, &person, &[Audience::Everyone, Audience::Operators]);

    let query: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for path in ["/logs?status=", "/logs?type=", "/events?type=", "/endpoints?q=", "/sign-in?next=", "/portal/", "/"] {
        person.go(&format!("{path}{query}"));
        nothing_happened(&person);
    }
    person.go("/live");
    person.sees("What happens from now on shows here");
    let event = json!({"type": "evil.kind", "account": "acme", "data": {"object": {"k": HOSTILE}}});
    ground.admin.post("/v1/events", &event).expect(202);
    person.sees("500");
    let rows = person.browser.run("return document.querySelector('[data-live-rows]').innerText", &[]);
    assert!(rows.as_str().unwrap().contains("<img src=x onerror="), "{rows}");
    nothing_happened(&person);

    person.go("/endpoints/new");
    person.fill("Address", HOSTILE);
    person.fill("Description", HOSTILE);
    person.press("Add endpoint");
    person.sees("One thing to fix");
    assert_eq!(person.value("Address"), HOSTILE);
    nothing_happened(&person);
    person.press("Sign out");

    person.go(&ground.portal_link("acme"));
    person.sees("Sign out");
    person.sees(HOSTILE_NAME);
    tour(&ground, &person, &[Audience::Everyone]);
}
