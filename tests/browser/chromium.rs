//! Debian's Chromium, driven through its `chromedriver` by the W3C WebDriver protocol: JSON over HTTP, for which the
//! tests' own HTTP client is enough. What that protocol lacks goes through the driver to the browser's own (`cdp`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::eventually;

/// Under this name the protocol refers to elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scripts {
    On,
    Off,
}

/// An element of the page that is open.
#[derive(Clone)]
pub struct Element(String);

impl Element {
    /// As a script's argument.
    pub fn argument(&self) -> Value {
        json!({ ELEMENT: self.0 })
    }
}

/// A browser with a fresh profile; it and its driver end with the value.
pub struct Chromium {
    agent: ureq::Agent,
    driver: Child,
    /// `http://127.0.0.1:PORT/session/ID`
    session: String,
    /// Holds the profile and the driver's output.
    scratch: TempDir,
}

impl Chromium {
    pub fn start(scripts: Scripts) -> Chromium {
        let scratch = TempDir::with_prefix("mythichooks-browser-").unwrap();
        let said = scratch.path().join("chromedriver");
        let output = File::create(&said).unwrap();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .expect("`chromedriver` starts: `tests/run` installs it");
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let mut chromium = Chromium { agent, driver, session: String::new(), scratch };
        let port = eventually("chromedriver says its port", || port_of(&said));
        let base = format!("http://127.0.0.1:{port}/session");
        let made = chromium.ask("POST", &base, &capabilities(chromium.scratch.path(), scripts));
        chromium.session = format!("{base}/{}", made["sessionId"].as_str().unwrap());
        // Away from the page of a new tab, which loads a lot.
        chromium.go("about:blank");
        chromium
    }

    /// One command; its value, or the driver's complaint.
    fn try_ask(&self, method: &str, url: &str, body: &Value) -> Result<Value, String> {
        let request = ureq::http::Request::builder().method(method).uri(url).header("content-type", "application/json");
        let answer = if method == "POST" {
            self.agent.run(request.body(body.to_string()).unwrap())
        } else {
            self.agent.run(request.body(()).unwrap())
        };
        let mut answer = answer.map_err(|error| format!("{method} {url}: {error}"))?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap();
        let value = serde_json::from_str::<Value>(&text).unwrap()["value"].take();
        if answer.status().is_success() { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
    }

    #[track_caller]
    fn ask(&self, method: &str, url: &str, body: &Value) -> Value {
        self.try_ask(method, url, body).unwrap_or_else(|complaint| panic!("{method} {url} {body}: {complaint}"))
    }

    #[track_caller]
    fn post(&self, command: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}/{command}", self.session), body)
    }

    #[track_caller]
    fn get(&self, command: &str) -> Value {
        self.ask("GET", &format!("{}/{command}", self.session), &Value::Null)
    }

    /// Loads a page, until all of it is there.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        self.get("url").as_str().unwrap().to_owned()
    }

    /// The result of a function's body in the page.
    #[track_caller]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": arguments}))
    }

    /// The same; what the script throws is an error.
    pub fn try_run(&self, script: &str, arguments: &[Value]) -> Result<Value, String> {
        let body = json!({"script": script, "args": arguments});
        self.try_ask("POST", &format!("{}/execute/sync", self.session), &body)
    }

    /// The same for a function that calls its last argument with the result.
    #[track_caller]
    pub fn run_until_done(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/async", &json!({"script": script, "args": arguments}))
    }

    /// The same for a function that returns an element, or nothing.
    #[track_caller]
    pub fn find(&self, script: &str, arguments: &[Value]) -> Option<Element> {
        let found = self.try_run(script, arguments).unwrap_or_else(|complaint| panic!("{script}: {complaint}"));
        found[ELEMENT].as_str().map(|id| Element(id.to_owned()))
    }

    #[track_caller]
    pub fn click(&self, element: &Element) {
        self.post(&format!("element/{}/click", element.0), &json!({}));
    }

    /// Takes out what a control holds.
    #[track_caller]
    pub fn clear(&self, element: &Element) {
        self.post(&format!("element/{}/clear", element.0), &json!({}));
    }

    /// Types into a control.
    #[track_caller]
    pub fn type_into(&self, element: &Element, text: &str) {
        self.post(&format!("element/{}/value", element.0), &json!({ "text": text }));
    }

    /// Presses keys one after the other, wherever the focus is.
    #[track_caller]
    pub fn keys(&self, keys: &[char]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})])
            .collect();
        self.post("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// A new tab, which then is the one that commands are for; its handle.
    pub fn open_tab(&self) -> String {
        let handle = self.post("window/new", &json!({"type": "tab"}))["handle"].as_str().unwrap().to_owned();
        self.switch_to(&handle);
        handle
    }

    /// The tab that commands are for.
    pub fn tab(&self) -> String {
        self.get("window").as_str().unwrap().to_owned()
    }

    pub fn switch_to(&self, handle: &str) {
        self.post("window", &json!({ "handle": handle }));
    }

    pub fn close_tab(&self) {
        self.ask("DELETE", &format!("{}/window", self.session), &Value::Null);
    }

    /// A command of the browser's own protocol.
    #[track_caller]
    pub fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Light or dark, as if the system were set so.
    pub fn scheme(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.cdp("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// The size of the window's inside.
    pub fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// A picture of the page's upper left part, as PNG.
    pub fn picture(&self, width: f64, height: f64) -> Vec<u8> {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let shot = self.cdp("Page.captureScreenshot", &json!({"captureBeyondViewport": true, "clip": clip}));
        STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// What was logged since it was last asked: `browser` is the console, `performance` all that went over the network.
    pub fn log(&self, kind: &str) -> Vec<Value> {
        self.post("se/log", &json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// The value of a cookie, one that scripts cannot read too.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let all = self.get("cookie");
        let text = |cookie: &Value, key: &str| cookie[key].as_str().unwrap().to_owned();
        all.as_array().unwrap().iter().map(|cookie| (text(cookie, "name"), text(cookie, "value"))).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            if std::thread::panicking() {
                self.keep_picture();
            }
            let _ = self.try_ask("DELETE", &self.session, &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Chromium {
    /// What a failed test saw last.
    fn keep_picture(&self) {
        let shot = self.try_ask("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let Some(bytes) = shot.ok().and_then(|data| STANDARD.decode(data.as_str()?).ok()) else { return };
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("test").replace("::", "-");
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
        if fs::write(&file, bytes).is_ok() {
            eprintln!("the page at that moment: {}", file.display());
        }
    }
}

/// What the driver says once it listens.
fn port_of(said: &Path) -> Option<u16> {
    let text = fs::read_to_string(said).ok()?;
    text.split("successfully on port ").nth(1)?.split('.').next()?.parse().ok()
}

fn capabilities(scratch: &Path, scripts: Scripts) -> Value {
    let profile = scratch.join("profile");
    let mut options = json!({"args": [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
        // Its end of the pipe closes with the driver, whatever ends that: then the browser ends too.
        "--remote-debugging-pipe",
        "--window-size=1280,900",
        format!("--user-data-dir={}", profile.display()),
    ]});
    if scripts == Scripts::Off {
        options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
    }
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "timeouts": {"script": 60_000, "pageLoad": 60_000},
    }}})
}
