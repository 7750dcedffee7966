//! What the page's script adds, where a page without it is another thing to look at: what is under way shows its end by
//! itself, ticks follow their radio, a copy button comes back, a time can be changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::chromium::Scripts;
use crate::person::{Hand, Person};
use crate::support::api::id;
use crate::support::{Api, Receiver, Server, eventually};

/// An operator with scripts on, signed in.
fn operator(server: &Server) -> (Api, Person) {
    let admin = server.admin();
    let person = Person::new(&server.base, Scripts::On, Hand::Mouse);
    person.sign_in(admin.token.as_ref().unwrap());
    (admin, person)
}

#[test]
fn a_test_that_takes_long_shows_its_end_by_itself() {
    let server = Server::start();
    let (admin, person) = operator(&server);
    let answers = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&answers);
    let receiver = Receiver::start(move |_, _| {
        while !state.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        200
    });
    let endpoint = admin.endpoint(&receiver.url());
    person.go(&format!("/endpoints/{}", id(&endpoint)));
    person.press("Send a test");
    person.sees("The test is under way");
    answers.store(true, Ordering::SeqCst);
    person.sees("The test was taken: 200");
    assert_eq!(person.place(), format!("/endpoints/{}", id(&endpoint)));
}

#[test]
fn ticks_are_sent_only_with_the_radio_that_needs_them() {
    let server = Server::start();
    let (admin, person) = operator(&server);
    let choose = |value: &str| {
        let script = "document.querySelector(`input[value='${arguments[0]}']`).click()";
        person.browser.run(script, &[json!(value)]);
    };
    for (description, choices, expected) in [
        ("Ticked", &["batch.failed"][..], json!(["batch.failed"])),
        ("Every type after all", &["batch.failed", "all"], json!(["*"])),
    ] {
        person.go("/endpoints/new");
        person.fill("Address", "http://127.0.0.1:1/");
        person.fill("Description", description);
        for choice in choices {
            choose(choice);
        }
        person.press("Add endpoint");
        person.sees("The endpoint was added");
        assert_eq!(admin.list("/v1/endpoints")[0]["event_types"], expected, "{description}");
    }
}

#[test]
fn a_copy_button_that_was_pressed_twice_comes_back() {
    let server = Server::start();
    let (_, person) = operator(&server);
    let label = || person.browser.run("return document.querySelector('[data-copy] [data-label]').textContent", &[]);
    assert_eq!(label(), "Copy");
    for _ in 0..2 {
        person.browser.run("document.querySelector('[data-copy]').click()", &[]);
        eventually("it was copied", || (label() != "Copy").then_some(()));
    }
    eventually("it is as it was", || (label() == "Copy").then_some(()));
}

#[test]
fn an_exact_time_of_the_logs_can_be_changed() {
    let server = Server::start();
    let (_, person) = operator(&server);
    person.go("/logs?since=2026-01-01T10:20:33.123Z");
    let script = "document.querySelector('input[name=since]').value = '2026-01-01T10:00'";
    person.browser.run(script, &[]);
    person.press("Show");
    assert!(person.place().contains("2026-01-01T10"), "{}", person.place());
    assert!(!person.place().contains("33"), "{}", person.place());
}
