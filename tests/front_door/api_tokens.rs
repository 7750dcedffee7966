//! Tokens: made, shown once, listed without their value, withdrawn, expired.

use serde_json::json;

use crate::support::api::id;
use crate::support::clock::TestClock;
use crate::support::{Api, Server};

#[test]
fn the_first_token_is_made_at_the_first_start_and_kept_to_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut server = Server::start();
    let file = server.setup.data_dir().join("admin-token");
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(token.starts_with("mhk_"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(server.log().contains("admin-token"), "the log names the file: {}", server.log());
    assert!(!server.log().contains(token.trim()), "the log shows the token");
    server.admin().get("/v1/stats").expect(200);
    server.terminate();
    server.start_again();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token, "a second start makes no other");
    server.admin().get("/v1/stats").expect(200);
    server.terminate();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(server.setup.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    for path in found.iter().filter(|path| path.is_file() && !path.ends_with("admin-token")) {
        let bytes = std::fs::read(path).unwrap();
        let in_it = bytes.windows(token.trim().len()).any(|window| window == token.trim().as_bytes());
        assert!(!in_it, "the token stands in {}: it is stored hashed", path.display());
    }
}

#[test]
fn a_token_file_names_the_first_admin() {
    let setup = Server::setup();
    let file = setup.root().join("token");
    std::fs::write(&file, "mhk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG\n").unwrap();
    let server = setup.args([std::ffi::OsStr::new("--admin-token-file"), file.as_os_str()]).start();
    let api = Api::new(&server.base, Some("mhk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"));
    api.post("/v1/tokens", &json!({"name": "n", "role": "read"})).expect(201);
    assert!(!server.setup.data_dir().join("admin-token").exists());
}

#[test]
fn a_systemd_credential_names_the_first_admin() {
    let setup = Server::setup();
    let directory = setup.root().join("credentials");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("admin-token"), "mhk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG").unwrap();
    let server = setup.env("CREDENTIALS_DIRECTORY", directory).start();
    Api::new(&server.base, Some("mhk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")).get("/v1/stats").expect(200);
}

#[test]
fn a_token_is_shown_once_and_listed_without_its_value() {
    let server = Server::start();
    let api = server.admin();
    let made = api.post("/v1/tokens", &json!({"name": "ci", "role": "ingest", "account": "acme"})).expect(201);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("mhk_") && token.len() >= 30, "{token}");
    let listed = api.get("/v1/tokens");
    assert!(!String::from_utf8_lossy(&listed.body).contains(token), "a list shows a token");
    let listed = listed.expect(200);
    let entry = listed["data"].as_array().unwrap().iter().find(|entry| entry["id"] == made["id"]).unwrap();
    assert_eq!(entry["name"], "ci");
    assert_eq!(entry["role"], "ingest");
    assert_eq!(entry["account"], "acme");
}

#[test]
fn a_withdrawn_token_is_refused_at_once() {
    let server = Server::start();
    let api = server.admin();
    let made = api.post("/v1/tokens", &json!({"name": "short", "role": "read"})).expect(201);
    let reader = api.with_token(made["token"].as_str());
    reader.get("/v1/stats").expect(200);
    let gone = api.delete(&format!("/v1/tokens/{}", id(&made)));
    assert!(matches!(gone.status, 200 | 204), "{gone}");
    reader.get("/v1/stats").problem(401);
    api.delete(&format!("/v1/tokens/{}", id(&made))).problem(404);
}

#[test]
fn a_token_expires_on_time() {
    let setup = Server::setup();
    let mut clock = TestClock::new(setup.root());
    let file = clock.file().to_owned();
    let server = setup.env("MYTHICHOOKS_TEST_CLOCK", file).start();
    let api = server.admin();
    let made = api.post("/v1/tokens", &json!({"name": "day", "role": "read", "expires_in": "1d"})).expect(201);
    let reader = api.with_token(made["token"].as_str());
    reader.get("/v1/stats").expect(200);
    clock.advance(std::time::Duration::from_secs(23 * 3600));
    reader.get("/v1/stats").expect(200);
    clock.advance(std::time::Duration::from_secs(3601));
    reader.get("/v1/stats").problem(401);
}

#[test]
fn unusable_requests_are_refused() {
    let server = Server::start();
    let api = server.admin();
    for (body, pointer) in [
        (json!({"role": "read"}), "/name"),
        (json!({"name": "n"}), "/role"),
        (json!({"name": "n", "role": "root"}), "/role"),
        (json!({"name": "", "role": "read"}), "/name"),
        (json!({"name": "n", "role": "read", "expires_in": "soon"}), "/expires_in"),
        (json!({"name": "n", "role": "read", "expires_in": "-1d"}), "/expires_in"),
        (json!({"name": "n", "role": "read", "expires_in": 5}), "/expires_in"),
        (json!({"name": "n", "role": "read", "account": ""}), "/account"),
        (json!({"name": "n", "role": "read", "account": "a b/c"}), "/account"),
    ] {
        let problem = api.post("/v1/tokens", &body).any_problem();
        assert!(problem["pointer"] == pointer || problem.to_string().contains(&pointer[1..]), "{body}: {problem}");
    }
}
