//! The whole story as a person: an endpoint is added by hand, a test fails, the reason is read, the receiver is
//! repaired, a retry by hand is delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::chromium::Scripts;
use crate::person::{Hand, Person};
use crate::support::api::id;
use crate::support::{Receiver, Reply, Server, eventually};

/// A receiver that refuses until it is repaired.
fn broken() -> (Receiver, Arc<AtomicBool>) {
    let repaired = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&repaired);
    let receiver = Receiver::start(move |_, _| {
        if state.load(Ordering::SeqCst) {
            Reply::status(200).body("thank you")
        } else {
            Reply::status(503).header("content-type", "text/plain").body("the queue behind me is full")
        }
    });
    (receiver, repaired)
}

fn told(scripts: Scripts, hand: Hand) {
    let server = Server::setup().documented_schedule().start();
    let admin = server.admin();
    let (receiver, repaired) = broken();
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

    let tail = (scripts == Scripts::On).then(|| {
        let here = person.browser.tab();
        let tail = person.browser.open_tab();
        person.go("/live");
        person.browser.switch_to(&here);
        (here, tail)
    });

    person.press("Test");
    person.sees("The test was refused: 503");
    person.sees("the queue behind me is full");
    let delivery = admin.list("/v1/deliveries").remove(0);
    person.press("Logs");
    person.sees("Failed");
    person.press(delivery["type"].as_str().unwrap());
    assert_eq!(person.place(), format!("/logs/{}", id(&delivery)));
    person.sees("503");
    person.sees("the queue behind me is full");

    repaired.store(true, Ordering::SeqCst);
    person.press("Retry now");
    eventually("it is delivered", || {
        let now = admin.get(&format!("/v1/deliveries/{}", id(&delivery))).expect(200);
        (now["status"] == "delivered").then_some(())
    });
    person.go(&format!("/logs/{}", id(&delivery)));
    person.sees("Delivered");
    person.sees("thank you");
    assert_eq!(receiver.requests().len(), 2);

    if let Some((here, tail)) = tail {
        person.browser.switch_to(&tail);
        person.sees(delivery["type"].as_str().unwrap());
        person.sees("503");
        person.sees("200");
        person.browser.close_tab();
        person.browser.switch_to(&here);
    }
    person.press("Sign out");
    person.sees("Sign in");
    person.go("/logs");
    person.sees("Sign in");
}

#[test]
fn by_mouse_with_the_live_tail_beside_it() {
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
