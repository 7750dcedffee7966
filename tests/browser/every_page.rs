//! What holds for every page of the table, whoever looks at it and however much there is to see.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::axe::Axe;
use crate::chromium::Scripts;
use crate::ground::{ACCOUNT, Ground};
use crate::pages::{Audience, Listed, PAGES};
use crate::person::{FOCUS, Hand, Person};
use crate::support::{Receiver, Reply};

/// Bytes of a page's HTML, and requests that it needs with its files.
const LARGEST: u64 = 100_000;
const MOST_REQUESTS: usize = 5;
/// The width of a small phone.
const NARROW: u32 = 360;
/// Stops of the Tab key that are looked at on one page: rows beyond are like those before.
const STOPS: usize = 80;

/// What runs past the right edge; what scrolls for itself may.
const PAST_THE_EDGE: &str = r"
    const width = document.documentElement.clientWidth;
    const over = [...document.querySelectorAll('body *')].filter((e) => {
        if (e.closest('svg,pre,thead,.skip,.vh') || !e.checkVisibility()) return false;
        for (let p = e.parentElement; p; p = p.parentElement) {
            if (/auto|scroll|hidden/.test(getComputedStyle(p).overflowX) && p !== document.documentElement) return false;
        }
        return e.getBoundingClientRect().right > width + 0.5;
    });
    const wide = document.documentElement.scrollWidth > width ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
    return wide.concat(over.slice(0, 4).map((e) => e.outerHTML.slice(0, 120)));
";

/// Marks all that Tab has to come to, in order, and notes each stop.
const BEGIN_TABS: &str = r"
    const all = [...document.querySelectorAll('a[href],button,input,select,textarea,summary,[tabindex]')].filter((e) => {
        if (e.disabled || e.tabIndex < 0 || e.type === 'hidden' || !e.checkVisibility({ visibilityProperty: true })) return false;
        if (e.type !== 'radio') return true;
        const group = [...document.querySelectorAll(`input[type=radio][name='${e.name}']`)];
        return e === (group.find((radio) => radio.checked) || group[0]);
    });
    window.stops = [];
    const look = new Function(arguments[0]);
    document.addEventListener('focusin', () => { const stop = look(); window.stops.push(stop); });
    window.due = all;
    const start = document.body.insertBefore(document.createElement('a'), document.body.firstChild);
    start.tabIndex = -1;
    start.focus();
    start.remove();
    window.stops = [];
    return all.length;
";

const END_TABS: &str = r"
    const faults = window.stops.filter((stop) => stop.element && !stop.seen)
        .map((stop) => `the focus is not seen (ring ${stop.ring}, in the window ${stop.inside}, covered ${stop.covered}): ${stop.name}`);
    const came = window.stops.map((stop) => stop.element);
    let at = -1;
    for (const due of window.due.slice(0, arguments[0])) {
        const found = came.indexOf(due, at + 1);
        if (found < 0) faults.push(`Tab does not come to it, or not in its turn: ${due.outerHTML.slice(0, 160)}`);
        else at = found;
    }
    return faults;
";

struct Inspection<'a> {
    visitor: &'a Person,
    base: &'a str,
    ground: Option<&'a Ground>,
    axe: &'a Axe,
    faults: Vec<String>,
}

impl<'a> Inspection<'a> {
    fn new(visitor: &'a Person, base: &'a str, axe: &'a Axe) -> Self {
        let inspection = Inspection { visitor, base, ground: None, axe, faults: Vec::new() };
        inspection.forget_logs();
        inspection
    }

    fn page(&mut self, listed: &Listed, path: &str) {
        let before = self.faults.len();
        let browser = &self.visitor.browser;
        browser.size(1280, 900);
        browser.scheme("light");
        self.visitor.go(path);
        if let Some(press) = listed.press {
            self.forget_logs();
            self.visitor.press(press);
        }
        if let Some(ground) = self.ground.filter(|_| listed.path == "/live") {
            ground.happens(self.visitor);
        }
        let mut found = self.load(listed);
        found.extend(self.axe.violations(browser).into_iter().map(|fault| format!("light: {fault}")));
        browser.scheme("dark");
        found.extend(self.axe.colours(browser).into_iter().map(|fault| format!("dark: {fault}")));
        found.extend(self.keyboard());
        browser.size(NARROW, 740);
        let over = browser.run(PAST_THE_EDGE, &[]);
        found.extend(texts(&over).map(|fault| format!("past the edge at {NARROW} pixels: {fault}")));
        self.faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", listed.name())));
        self.forget_logs();
        if self.faults.len() > before {
            let _ = write!(self.faults.last_mut().unwrap(), " (at {path})");
        }
    }

    fn forget_logs(&self) {
        self.visitor.browser.log("performance");
        self.visitor.browser.log("browser");
    }

    /// What it took to load the page, and what the browser said about it.
    fn load(&self, listed: &Listed) -> Vec<String> {
        let browser = &self.visitor.browser;
        let script = "const [page] = performance.getEntriesByType('navigation');
            return [page.decodedBodySize, page.responseStatus]";
        let page = browser.run(script, &[]);
        let mut faults = Vec::new();
        let (size, status) = (page[0].as_u64().unwrap(), &page[1]);
        if size == 0 || size >= LARGEST {
            faults.push(format!("{size} bytes of HTML"));
        }
        if *status != listed.status {
            faults.push(format!("the status is {status}, not {}", listed.status));
        }
        let requests = requests(&browser.log("performance"));
        if requests.is_empty() || requests.len() > MOST_REQUESTS {
            faults.push(format!("{} requests: {requests:?}", requests.len()));
        }
        let strange = |url: &&String| !url.starts_with(&format!("{}/", self.base)) && !url.starts_with("data:");
        faults.extend(requests.iter().filter(strange).map(|url| format!("a request to elsewhere: {url}")));
        // Chromium complains of every page with an error status, which is what it is to be.
        let own_status = format!("the server responded with a status of {}", listed.status);
        let log = browser
            .log("browser")
            .into_iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        let complaints = log.map(|entry| entry["message"].as_str().unwrap().to_owned());
        let complaints = complaints.filter(|message| listed.status == 200 || !message.contains(&own_status));
        faults.extend(complaints.map(|message| format!("in the console: {message}")));
        faults
    }

    /// Everything can be reached with Tab, in order, and is seen to have the focus; the first stop skips the bar.
    fn keyboard(&self) -> Vec<String> {
        let browser = &self.visitor.browser;
        let count = browser.run(BEGIN_TABS, &[json!(FOCUS)]).as_u64().unwrap();
        let stops = usize::try_from(count).unwrap().min(STOPS);
        browser.keys(&vec!['\u{e004}'; stops + 1]);
        let found = browser.run(END_TABS, &[json!(stops)]);
        texts(&found).map(|fault| format!("keyboard: {fault}")).collect()
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

/// The addresses that were asked for, redirects included, from the log of all that the browser does on the network.
fn requests(log: &[Value]) -> Vec<String> {
    let messages = log.iter().map(|entry| {
        let message: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
        message["message"].clone()
    });
    let sent = messages.filter(|message| message["method"] == "Network.requestWillBeSent");
    sent.map(|message| message["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn inspect(ground: &Ground, visitor: &Person, audience: &[Audience]) {
    let axe = Axe::load();
    let mut inspection = Inspection::new(visitor, &ground.server.base, &axe);
    inspection.ground = Some(ground);
    let mut seen = 0;
    for listed in PAGES.iter().filter(|listed| audience.contains(&listed.audience)) {
        if let Some(path) = listed.filled(&ground.things) {
            inspection.page(listed, &path);
            seen += 1;
        }
    }
    assert!(seen > 2, "only {seen} pages were looked at");
    let faults = inspection.faults;
    assert!(faults.is_empty(), "{} faults:\n{}\n", faults.len(), faults.join("\n"));
}

fn as_operator(ground: &Ground) {
    let visitor = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    visitor.sign_in(ground.admin.token.as_ref().unwrap());
    inspect(ground, &visitor, &[Audience::Everyone, Audience::Operators]);
}

fn as_customer(ground: &Ground) {
    let visitor = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    visitor.go(&ground.portal_link(ACCOUNT));
    visitor.sees("Sign out");
    inspect(ground, &visitor, &[Audience::Everyone]);
}

#[test]
fn of_an_operator_with_much_to_see() {
    as_operator(&Ground::furnished());
}

#[test]
fn of_an_operator_with_nothing_yet() {
    as_operator(&Ground::bare());
}

#[test]
fn of_a_customer_with_much_to_see() {
    as_customer(&Ground::furnished());
}

#[test]
fn of_a_customer_with_nothing_yet() {
    as_customer(&Ground::bare());
}

#[test]
fn of_nobody_yet() {
    let ground = Ground::bare();
    let visitor = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    inspect(&ground, &visitor, &[Audience::Nobody]);
}

/// Has one of each fault that is looked for.
const FAULTY: &str = "<!doctype html><html lang=en><title>Faulty</title>
    <style>
        p { color: #666; background: white; }
        @media (prefers-color-scheme: dark) { p { background: #444; } }
        a:focus { outline: 0; }
        div { width: 400px; }
    </style>
    <main><h1>Faulty</h1><p>Grey on grey in the dark.</p><input><a href=x>No ring</a><div>Wide</div></main>
    <script>console.error('a complaint'); document.querySelector('input').onkeydown = (e) => e.preventDefault()</script>
    <img alt='' src=/1><img alt='' src=/2><img alt='' src=/3><img alt='' src=/4><img alt='' src=http://127.0.0.1:1/5>";

#[test]
fn a_faulty_page_is_found_out() {
    let page = format!("{FAULTY}<!--{}-->", ".".repeat(100_000));
    let receiver = Receiver::start(move |request, _| match &*request.target {
        "/faulty" => Reply::status(200).header("content-type", "text/html").body(page.clone()),
        _ => Reply::status(404),
    });
    let base = format!("http://{}", receiver.address);
    let visitor = Person::new(&base, Scripts::On, Hand::Mouse);
    let axe = Axe::load();
    let mut inspection = Inspection::new(&visitor, &base, &axe);
    inspection.page(&Listed { audience: Audience::Nobody, path: "/faulty", press: None, status: 201 }, "/faulty");
    let found = inspection.faults.join("\n");
    for fault in [
        "bytes of HTML",
        "the status is 200, not 201",
        "7 requests",
        "a request to elsewhere: http://127.0.0.1:1/5",
        "in the console: ",
        "a complaint",
        "light: label: ",
        "dark: color-contrast: ",
        "the focus is not seen (ring false",
        "Tab does not come to it, or not in its turn: <a",
        "past the edge at 360 pixels: the page is ",
        "past the edge at 360 pixels: <div",
    ] {
        assert!(found.contains(fault), "`{fault}` is not found, but:\n{found}");
    }
    assert!(!found.contains("light: color-contrast"), "{found}");
}
