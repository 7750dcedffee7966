//! The guard on names: what a name resolves to is checked at every attempt. The server sees an `/etc/hosts` of the
//! test's own, in a mount namespace (`unshare --mount`, which needs root as the tests have it).

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::api::{attempts, id};
use crate::support::server::Setup;
use crate::support::{Api, Receiver, Server};

/// The file that the server sees as `/etc/hosts`, rewritten in place: it is mounted by inode.
struct Hosts(PathBuf);

impl Hosts {
    fn new(root: &Path) -> Hosts {
        let hosts = Hosts(root.join("hosts"));
        hosts.say("");
        hosts
    }

    fn say(&self, lines: &str) {
        std::fs::write(&self.0, format!("127.0.0.1 localhost\n{lines}\n")).unwrap();
    }
}

/// 127.0.0.2 stands for a public address, by `--allow-network`; all else keeps its rank.
fn start() -> (Server, Hosts) {
    let setup: Setup =
        Server::setup().guarded().args(["--allow-http", "--allow-network", "127.0.0.2/32"]).schedule("1h");
    let hosts = Hosts::new(setup.root());
    let file = hosts.0.clone();
    (setup.hosts(&file).start(), hosts)
}

fn retry(api: &Api, event: &str, attempt: usize) -> serde_json::Value {
    let delivery = id(&api.deliveries_of(event)[0]);
    api.post_empty(&format!("/v1/deliveries/{delivery}/retry")).expect(202);
    attempts(&api.delivery_after(event, attempt))[attempt - 1].clone()
}

#[test]
fn a_name_that_turns_private_is_caught() {
    let (server, hosts) = start();
    let api = server.admin();
    let open = Receiver::start_on("127.0.0.2:0", |_, _| 500);
    let port = open.address.port();
    let inside = Receiver::start_on(&format!("127.0.0.1:{port}"), |_, _| 200);
    hosts.say("127.0.0.2 turning.example");
    api.endpoint(&format!("http://turning.example:{port}/"));
    let event = api.event();
    let first = attempts(&api.delivery_after(&event, 1))[0].clone();
    assert_eq!(first["response_code"], 500, "{first}");
    assert_eq!(open.requests()[0].header("host").unwrap(), &format!("turning.example:{port}"));

    hosts.say("127.0.0.1 turning.example");
    let second = retry(&api, &event, 2);
    assert_eq!(second["error"]["kind"], "blocked", "{second}");
    assert_eq!(inside.connections(), 0, "it was connected to");
    assert_eq!(open.count(), 1, "a kept connection outlived what the name says");

    hosts.say("127.0.0.2 turning.example");
    let third = retry(&api, &event, 3);
    assert_eq!(third["response_code"], 500, "{third}");
}

#[test]
fn one_forbidden_answer_among_good_ones_refuses_all() {
    let (server, hosts) = start();
    let api = server.admin();
    let open = Receiver::start_on("127.0.0.2:0", |_, _| 200);
    let port = open.address.port();
    let inside = Receiver::start_on(&format!("127.0.0.1:{port}"), |_, _| 200);
    hosts.say(
        "127.0.0.2 good.example\n\
         127.0.0.2 mixed-a.example\n127.0.0.1 mixed-a.example\n\
         10.0.0.1 mixed-b.example\n127.0.0.2 mixed-b.example\n\
         127.0.0.2 mixed-c.example\n::1 mixed-c.example\n\
         127.0.0.2 mixed-d.example\nfe80::1 mixed-d.example\n\
         127.0.0.2 mixed-e.example\n169.254.169.254 mixed-e.example",
    );
    for (name, delivered) in [
        ("good", true),
        ("mixed-a", false),
        ("mixed-b", false),
        ("mixed-c", false),
        ("mixed-d", false),
        ("mixed-e", false),
    ] {
        api.endpoint_with(&format!("http://{name}.example:{port}/"), &json!({"account": name}));
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": name});
        let event = id(&api.post("/v1/events", &event).expect(202));
        let attempt = attempts(&api.delivery_after(&event, 1))[0].clone();
        if delivered {
            assert_eq!(attempt["response_code"], 200, "{name}: {attempt}");
        } else {
            assert_eq!(attempt["error"]["kind"], "blocked", "{name}: {attempt}");
        }
    }
    assert_eq!(open.count(), 1);
    assert_eq!(inside.connections(), 0);
}

#[test]
fn names_that_lead_inside_are_blocked() {
    let (server, hosts) = start();
    let api = server.admin();
    let inside = Receiver::ok();
    let port = inside.address.port();
    let addresses = [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "0.0.0.0",
    ];
    let lines: Vec<String> =
        addresses.iter().enumerate().map(|(number, address)| format!("{address} inside{number}.example")).collect();
    hosts.say(&lines.join("\n"));
    for (number, address) in addresses.iter().enumerate() {
        let account = format!("i{number}");
        api.endpoint_with(&format!("http://inside{number}.example:{port}/"), &json!({"account": account}));
        let event = json!({"type": "batch.completed", "data": {"object": {}}, "account": account});
        let event = id(&api.post("/v1/events", &event).expect(202));
        let attempt = attempts(&api.delivery_after(&event, 1))[0].clone();
        assert_eq!(attempt["error"]["kind"], "blocked", "{address}: {attempt}");
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn a_failed_look_up_never_passes() {
    let (server, _hosts) = start();
    let api = server.admin();
    api.endpoint("http://no-such-name.invalid:9/");
    let event = api.event();
    let attempt = attempts(&api.delivery_after(&event, 1))[0].clone();
    assert!(matches!(attempt["error"]["kind"].as_str(), Some("dns" | "timeout")), "{attempt}");
}
