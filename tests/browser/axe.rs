//! axe-core's judgement of the page that is open. Its file is put into the page by the driver, past the page's policy:
//! the server does not know of it.

use std::fs;

use serde_json::{Value, json};

use crate::chromium::Chromium;

/// Rules that depend on the colour scheme.
const COLOURS: [&str; 2] = ["color-contrast", "link-in-text-block"];
/// The levels that the dashboard promises, and what axe's authors recommend besides.
const TAGS: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

pub struct Axe(String);

impl Axe {
    pub fn load() -> Axe {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/node_modules/axe-core/axe.min.js");
        let source = fs::read_to_string(file).expect("axe-core is there: `tests/run` installs it");
        // Without its end a script gives no value that the driver would have to carry.
        Axe(format!("if (!window.axe) {{ {source} }}"))
    }

    /// Everything that it finds.
    pub fn violations(&self, browser: &Chromium) -> Vec<String> {
        self.found(browser, &json!({"type": "tag", "values": TAGS}))
    }

    /// What it finds by the rules that depend on the colour scheme.
    pub fn colours(&self, browser: &Chromium) -> Vec<String> {
        self.found(browser, &json!({"type": "rule", "values": COLOURS}))
    }

    fn found(&self, browser: &Chromium, rules: &Value) -> Vec<String> {
        browser.run(&self.0, &[]);
        let options = json!({"runOnly": rules, "resultTypes": ["violations"], "preload": false, "iframes": false});
        let script = "const done = arguments[1];
            axe.run(document, arguments[0]).then((result) => done(result.violations.flatMap((violation) =>
                violation.nodes.slice(0, 4).map((node) => `${violation.id}: ${violation.help}: ${node.html.slice(0, 200)} `
                    + node.any.concat(node.all, node.none).map((check) => check.message).join('; ')))),
                (error) => done([`axe itself failed: ${error}`]));";
        let found = browser.run_until_done(script, &[options]);
        found.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }
}
