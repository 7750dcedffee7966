//! The whole story as a person: an endpoint is added by hand, a test fails, the reason is
//! found.

use crate::chromium::Scripts;
use crate::person::{Hand, Person};
use crate::support::api::id;
use crate::support::{Receiver, Reply, Server};

/// A receiver that refuses.
fn broken() -> Receiver {
    Receiver::start(|_, _| Reply::status(503).header("content-type", "text/plain").body("the queue behind me is full"))
}

fn told(scripts: Scripts, hand: Hand) {
    let server = Server::setup().documented_schedule().start();
    let admin = server.admin();
    let receiver = broken();
    let person = Person::new(&server.base, scripts, hand);

    person.sign_in(admin.token.as_ref().unwrap());
    person.press("Endpoints");
    person.sees("No endpoints yet");
    person.skip_the_bar();
    person.press("Add endpoint");
    person.fill("Address", "ftp://nowhere.example");
    person.press("Add endpoint");
    person.sees("One thing to fix");
    person.sees("the URL must have the scheme");
    person.fill("Address", &receiver.url());
    person.fill("Description", "Results intake");
    person.press("Add endpoint");

    person.sees("The endpoint was added");
    let made = admin.list("/v1/endpoints").remove(0);
    let secret = admin.get(&format!("/v1/endpoints/{}/secret", id(&made))).expect(200);
    let secret = secret["secret"].as_str().unwrap();
    let shown = |person: &Person| {
        let script = "return document.documentElement.outerHTML.includes(arguments[0])";
        person.browser.run(script, &[secret.into()]) == true
    };
    assert!(shown(&person), "the secret is shown this once");
    person.press("Endpoints");
    person.press("Results intake");
    person.sees("Signing secret");
    assert!(!shown(&person), "and not again");

    person.press("Test");
    person.sees("The test was refused: 503");
    person.sees("the queue behind me is full");
    let delivery = admin.list("/v1/deliveries").remove(0);
    person.press("Logs");
    person.sees("Failed");
    person.press(delivery["type"].as_str().unwrap());
    assert_eq!(person.place(), format!("/logs/{}", id(&delivery)));
    person.sees("503");
    person.press("Sign out");
    person.sees("Sign in");
    person.go("/logs");
    person.sees("Sign in");
}

#[test]
fn by_mouse() {
    told(Scripts::On, Hand::Mouse);
}

#[test]
fn by_keyboard_alone() {
    told(Scripts::On, Hand::Keys);
}

#[test]
fn with_scripts_off() {
    told(Scripts::Off, Hand::Mouse);
}
