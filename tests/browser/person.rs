//! A person at a browser: reads, presses what has a name, fills what has a label. By mouse, or by keyboard alone: then
//! everything is reached with Tab, and where the focus is must be seen at every stop.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::{Chromium, Element, Scripts};

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
/// Until words count as not coming.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
/// Stops of the Tab key until something counts as not reachable.
const PATIENCE: usize = 150;

/// Functions for the scripts below.
const EYES: &str = r"
    const text = (e) => (e || '').replace(/\s+/g, ' ').trim();
    const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
    const called = (e) => text(e.getAttribute('aria-label') || e.innerText || e.value);
";

/// Gives the focus's element, how it is called, and whether it is seen to have the focus: a ring or a shadow on it, on
/// what it lies in, or on one of their generated boxes, in the window and not covered.
pub const FOCUS: &str = r"
    const e = document.activeElement;
    if (!e || e === document.body) return { element: null };
    const ringed = (el, part) => {
        const s = getComputedStyle(el, part);
        return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2);
    };
    let ring = false;
    for (let el = e; el && el !== document.body && !ring; el = el.parentElement) {
        ring = [undefined, '::after', '::before'].some((part) => ringed(el, part));
    }
    const box = e.getBoundingClientRect();
    const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    const at = document.elementFromPoint(
        Math.min(Math.max(box.left + box.width / 2, 0), innerWidth - 1),
        Math.min(Math.max(box.top + Math.min(box.height, innerHeight) / 2, 0), innerHeight - 1));
    const covered = !!at && getComputedStyle(at).position === 'sticky' && !at.contains(e);
    return { element: e, name: e.outerHTML.slice(0, 160), seen: ring && inside && !covered, ring, inside, covered };
";

/// Marks the page, and says whether this element leads to another.
const LEAVE_A_MARK: &str = r"
    window.left = true;
    const e = arguments[0];
    return e.matches('a') ? !e.getAttribute('href').startsWith('#') : e.matches('button') && !!e.form && e.type === 'submit';
";
const IS_NEW: &str = "return !window.left && document.readyState === 'complete'";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hand {
    Mouse,
    Keys,
}

pub struct Person {
    pub browser: Chromium,
    base: String,
    hand: Hand,
}

impl Person {
    pub fn new(base: &str, scripts: Scripts, hand: Hand) -> Person {
        Person { browser: Chromium::start(scripts), base: base.to_owned(), hand }
    }

    /// At a page of the server.
    #[track_caller]
    pub fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.base));
    }

    /// Signed in, on the overview.
    #[track_caller]
    pub fn sign_in(&self, token: &str) {
        self.go("/sign-in");
        self.fill("Token", token);
        self.press("Sign in");
        self.sees("Sign out");
    }

    /// Where it is, without the server's address.
    pub fn place(&self) -> String {
        let url = self.browser.url();
        url.strip_prefix(&self.base).unwrap_or_else(|| panic!("{url} is not of this server")).to_owned()
    }

    /// All that can be read on the page.
    pub fn text(&self) -> String {
        let text = self.browser.run("return document.body ? document.body.innerText : ''", &[]);
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What the page has become.
    pub fn html(&self) -> String {
        let html = self.browser.run("return document.documentElement.outerHTML", &[]);
        html.as_str().unwrap().to_owned()
    }

    /// The status that the page came with.
    pub fn status(&self) -> u64 {
        let script = "return performance.getEntriesByType('navigation')[0].responseStatus";
        self.browser.run(script, &[]).as_u64().unwrap()
    }

    /// Waits until these words stand on the page.
    #[track_caller]
    pub fn sees(&self, words: &str) {
        let start = Instant::now();
        loop {
            let text = self.text();
            if text.contains(words) {
                return;
            }
            assert!(start.elapsed() < LONGEST_WAIT, "`{words}` is not at {}:\n{text}", self.browser.url());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a link or button of this name is there.
    pub fn could_press(&self, name: &str) -> bool {
        self.button(name).is_some()
    }

    fn button(&self, name: &str) -> Option<Element> {
        let script = format!(
            "{EYES} const all = [...document.querySelectorAll('a[href],button,summary')]
                .filter((e) => shown(e) && called(e) === arguments[0]);
            return all.find((e) => e.closest('main')) || all[0] || null;"
        );
        self.browser.find(&script, &[json!(name)])
    }

    /// Presses the link or button of this name, the one in the main part if there are several, and waits for the page
    /// that it leads to.
    #[track_caller]
    pub fn press(&self, name: &str) {
        let Some(element) = self.button(name) else {
            let script = format!(
                "{EYES} return [...document.querySelectorAll('a[href],button,summary')].filter(shown).map(called)"
            );
            panic!(
                "nothing to press is called `{name}` at {}, but {}",
                self.browser.url(),
                self.browser.run(&script, &[])
            );
        };
        let leads_on = self.browser.run(LEAVE_A_MARK, &[element.argument()]) == true;
        match self.hand {
            Hand::Mouse => self.browser.click(&element),
            Hand::Keys => {
                self.reach(&element, name);
                self.browser.keys(&[ENTER]);
            }
        }
        let start = Instant::now();
        // In the moment between two pages there is none that could answer.
        while leads_on && self.browser.try_run(IS_NEW, &[]).ok() != Some(Value::Bool(true)) {
            assert!(start.elapsed() < LONGEST_WAIT, "`{name}` does not lead on from {}", self.browser.url());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn control(&self, label: &str) -> Element {
        let script = format!(
            "{EYES} const label = [...document.querySelectorAll('label')]
                .find((e) => e.control && shown(e) && text(e.innerText).startsWith(arguments[0]));
            return label ? label.control : null;"
        );
        let found = self.browser.find(&script, &[json!(label)]);
        found
            .unwrap_or_else(|| panic!("no control has the label `{label}` at {}:\n{}", self.browser.url(), self.text()))
    }

    /// Puts a text in the control with this label.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        let control = self.control(label);
        if self.hand == Hand::Keys {
            self.reach(&control, label);
        }
        self.browser.clear(&control);
        self.browser.type_into(&control, text);
    }

    /// What the control with this label holds.
    #[track_caller]
    pub fn value(&self, label: &str) -> String {
        let control = self.control(label);
        self.browser.run("return arguments[0].value", &[control.argument()]).as_str().unwrap().to_owned()
    }

    /// Goes on with Tab until the focus is there.
    #[track_caller]
    fn reach(&self, element: &Element, name: &str) {
        for _ in 0..PATIENCE {
            self.browser.keys(&[TAB]);
            let focus = self.focus();
            assert!(focus["element"].is_null() || focus["seen"] == true, "the focus is not seen: {focus:#}");
            if focus["element"] == element.argument() {
                return;
            }
        }
        panic!("Tab never comes to `{name}` at {}", self.browser.url());
    }

    /// What has the focus, and whether that is seen.
    fn focus(&self) -> Value {
        self.browser.run(FOCUS, &[])
    }

    /// Goes past the bar by the link that comes first.
    #[track_caller]
    pub fn skip_the_bar(&self) {
        let start = "document.documentElement.tabIndex = -1; document.documentElement.focus()";
        self.browser.run(start, &[]);
        self.browser.keys(&[TAB]);
        let focus = self.focus();
        assert!(focus["seen"] == true && focus["name"].as_str().unwrap().contains("#main"), "{focus:#}");
        self.browser.keys(&[ENTER, TAB]);
        let inside = self.browser.run("return !!document.activeElement.closest('main')", &[]);
        assert_eq!(inside, true, "{:#}", self.focus());
    }
}
