//! Event types and tokens by hand: added, changed, deleted on their pages, by who may.

use serde_json::json;

use crate::support::api::id;
use crate::support::browser::text;
use crate::support::{Browser, Server};

#[test]
fn an_event_type_is_added_changed_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let mut browser = Browser::signed_in(&server, &admin);
    let fields = [
        ("name", "invoice.paid"),
        ("description", "An invoice was `paid`."),
        ("example", "{\r\n \"amount\": 12.50 }"),
        ("schema", "{\"type\": \"object\"}"),
        ("enforce_schema", "on"),
    ];
    let added = browser.submit("/event-types/add-new", &fields);
    let place = "/event-types/invoice.paid";
    assert_eq!((added.status, added.header("location")), (303, Some(&*format!("{place}?done=added"))), "{added}");
    let made = admin.get(&format!("/v1{place}")).expect(200);
    assert_eq!((&made["enforce_schema"], &made["built_in"]), (&json!(true), &json!(false)));
    let shown = browser.page(place);
    for said in
        ["&quot;amount&quot;: 12.50", "<span class=\"mono\">paid</span>", "enforced", "<dd>added</dd>", "0 endpoints"]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let form = browser.page(&format!("{place}/edit"));
    assert!(form.contains("An invoice was `paid`.") && form.contains("checked"), "{form}");
    let changed = browser
        .submit(&format!("{place}/edit"), &[("description", "Changed."), ("example", "{\"a\":1}"), ("schema", "")]);
    assert_eq!(changed.header("location"), Some(&*format!("{place}?done=saved")), "{changed}");
    let now = admin.get(&format!("/v1{place}")).expect(200);
    assert_eq!(
        (&now["schema"], &now["enforce_schema"], &now["example"]),
        (&json!(null), &json!(false), &json!({"a": 1}))
    );
    // What an endpoint names stays.
    let endpoint = admin.endpoint_with("http://127.0.0.1:1/", &json!({"event_types": ["invoice.paid"]}));
    assert!(browser.page(&format!("{place}/delete")).contains("1 endpoint gets it now"));
    let kept = browser.submit(&format!("{place}/delete"), &[]);
    assert!(kept.status == 422 && text(&kept).contains("subscribes to it by name"), "{kept}");
    admin.delete(&format!("/v1/endpoints/{}", id(&endpoint)));
    let gone = browser.submit(&format!("{place}/delete"), &[]);
    assert_eq!((gone.status, gone.header("location")), (303, Some("/event-types")), "{gone}");
    assert_eq!(browser.get(place).status, 404);
    let actions: Vec<_> = admin.list("/v1/audit-log").iter().map(|entry| entry["action"].clone()).collect();
    for action in ["event_type.created", "event_type.updated", "event_type.deleted"] {
        assert!(actions.contains(&json!(action)), "{action}");
    }
}

#[test]
fn what_is_wrong_with_an_event_type_is_said_at_the_field() {
    let server = Server::start();
    let mut browser = Browser::signed_in(&server, &server.admin());
    let wants_n = "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}";
    for (name, example, schema, enforce, field, said) in [
        ("Invoice", "{}", "", false, "name", "lower-case letters"),
        ("", "{}", "", false, "name", "must be given"),
        ("batch.completed", "{}", "", false, "name", "the catalog has an event type of this name"),
        ("a.b", "", "", false, "example", "must be given"),
        ("a.b", "{", "", false, "example", "it is not JSON"),
        ("a.b", "[]", "", false, "example", "must be an object"),
        (
            "a.b",
            "{\"n\":\"x\"}",
            wants_n,
            false,
            "example",
            "at <span class=\"mono\">/n</span>: the example does not fit the schema",
        ),
        ("a.b", "{}", "{\"type\":", false, "schema", "it is not JSON"),
        ("a.b", "{}", "{\"type\":\"nonsense\"}", false, "schema", ""),
        ("a.b", "{}", "", true, "enforce_schema", "there is no schema to enforce"),
    ] {
        let mut fields = vec![("name", name), ("description", "d"), ("example", example), ("schema", schema)];
        fields.extend(enforce.then_some(("enforce_schema", "on")));
        let answer = browser.submit("/event-types/add-new", &fields);
        assert_eq!(answer.status, 422, "{fields:?}: {answer}");
        let page = text(&answer);
        assert!(page.contains(&format!("href=\"#{field}\"")), "{fields:?}: {page}");
        assert!(page.contains(&format!("id=\"{field}-error\"")) && page.contains(said), "{fields:?}: {page}");
    }
    assert_eq!(server.admin().list("/v1/event-types").len(), 6);
}

#[test]
fn the_catalog_is_the_servers_and_customers_only_read_it() {
    let server = Server::start();
    let own = json!({"name": "own.kind", "description": "d", "example": {}});
    server.admin().post("/v1/event-types", &own).expect(201);
    let operator = Browser::signed_in(&server, &server.admin());
    let built_in = operator.page("/event-types/batch.completed");
    assert!(built_in.contains("/edit") && !built_in.contains("/delete"), "{built_in}");
    for api in [server.api_as("admin", Some("acme")), server.api_as("read", None)] {
        let mut browser = Browser::signed_in(&server, &api);
        assert!(!browser.page("/event-types").contains("add-new"));
        assert!(!browser.page("/event-types/own.kind").contains("/edit"));
        for path in ["/event-types/add-new", "/event-types/own.kind/edit", "/event-types/own.kind/delete"] {
            assert_eq!(browser.get(path).status, 403, "{path}");
            let fields = [("name", "x.y"), ("description", "d"), ("example", "{}")];
            assert_eq!(browser.submit(path, &fields).status, 403, "{path}");
        }
    }
    assert_eq!(server.admin().list("/v1/event-types").len(), 7);
}

#[test]
fn a_token_is_made_shown_once_and_deleted() {
    let server = Server::start();
    let admin = server.admin();
    let mut browser = Browser::signed_in(&server, &admin);
    let fields = [("name", "billing"), ("role", "read"), ("account", "acme"), ("expires_in", "90d")];
    let made = browser.submit("/tokens/new", &fields);
    assert_eq!(made.status, 201, "{made}");
    let page = text(&made);
    let secret = page.split("value=\"mhk_").nth(1).map(|rest| format!("mhk_{}", rest.split('"').next().unwrap()));
    let secret = secret.unwrap_or_else(|| panic!("no token in {page}"));
    assert!(page.contains("data-copy=\"token\""), "{page}");
    let listed = admin.list("/v1/tokens").into_iter().find(|token| token["name"] == "billing").unwrap();
    assert_eq!((&listed["role"], &listed["account"]), (&json!("read"), &json!("acme")));
    assert!(listed["expires_at"].is_string());
    let again = browser.page("/tokens");
    assert!(!again.contains(&secret) && again.contains("billing") && again.contains("acme"), "{again}");
    let holder = admin.with_token(Some(&secret));
    let held = Browser::signed_in(&server, &holder);
    held.page("/endpoints");
    let ask = format!("/tokens/{}/delete", id(&listed));
    assert!(browser.page(&ask).contains("Delete billing"));
    let gone = browser.submit(&ask, &[]);
    assert_eq!((gone.status, gone.header("location")), (303, Some("/tokens")), "{gone}");
    holder.get("/v1/endpoints").problem(401);
    assert_eq!(held.get("/endpoints").status, 303, "its session is over");
    assert_eq!(browser.submit(&ask, &[]).status, 404);
}

#[test]
fn what_is_wrong_with_a_token_is_said_and_the_last_admin_stays() {
    let server = Server::start();
    let admin = server.admin();
    let mut browser = Browser::signed_in(&server, &admin);
    for (fields, field, said) in [
        (vec![("name", ""), ("role", "read")], "name", "must have 1 to 100 characters"),
        (vec![("name", "system:x"), ("role", "read")], "name", "the server’s own"),
        (vec![("name", "a"), ("role", "king")], "role", "admin"),
        (vec![("name", "a")], "role", "must be given"),
        (vec![("name", "a"), ("role", "read"), ("account", "a b")], "account", "must be 1 to 64"),
        (vec![("name", "a"), ("role", "read"), ("expires_in", "soon")], "expires_in", ""),
    ] {
        let answer = browser.submit("/tokens/new", &fields);
        assert_eq!(answer.status, 422, "{fields:?}: {answer}");
        let page = text(&answer).replace('\'', "’");
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{fields:?}: {page}");
        assert!(page.contains(said), "{fields:?}: {page}");
        assert!(!page.contains("value=\"mhk_"), "{fields:?}");
    }
    let only = id(&admin.list("/v1/tokens")[0]);
    assert!(browser.page(&format!("/tokens/{only}/delete")).contains("that you are signed in with"));
    let kept = browser.submit(&format!("/tokens/{only}/delete"), &[]);
    assert!(kept.status == 422 && text(&kept).contains("last admin token"), "{kept}");
    let mut reader = Browser::signed_in(&server, &server.api_as("read", None));
    let seen = reader.page("/tokens");
    assert!(seen.contains(&only) && !seen.contains("/tokens/new") && !seen.contains("/delete"), "{seen}");
    assert_eq!(reader.get("/tokens/new").status, 403);
    assert_eq!(reader.submit("/tokens/new", &[("name", "a"), ("role", "admin")]).status, 403);
    assert_eq!(reader.submit(&format!("/tokens/{only}/delete"), &[]).status, 403);
}

#[test]
fn the_audit_log_is_filtered_by_its_address_and_goes_on_page_by_page() {
    let server = Server::start();
    let admin = server.admin();
    let made = id(&admin.endpoint_with("http://127.0.0.1:1/", &json!({"account": "acme"})));
    for number in 0..5 {
        let path = format!("/v1/endpoints/{made}");
        admin.send("PATCH", &path, &json!({"description": format!("d{number}")})).expect(200);
    }
    let browser = Browser::signed_in(&server, &admin);
    let changed = browser.page("/audit-log?action=endpoint.updated&subject=&account=acme&since=&until=");
    assert_eq!(changed.matches("<strong>Endpoint changed</strong>").count(), 5, "{changed}");
    assert!(changed.contains(&format!("href=\"/endpoints/{made}\"")) && !changed.contains("Signed in</strong>"));
    assert!(changed.contains("value=\"endpoint.updated\" selected"), "{changed}");
    assert!(browser.page(&format!("/audit-log?subject={made}")).contains("<strong>Endpoint added</strong>"));
    let none = browser.page("/audit-log?until=2020-01-01T00:00:00Z");
    assert!(none.contains("matches this filter"), "{none}");
    let wrong = browser.get("/audit-log?since=yesterday");
    assert!(wrong.status == 422 && text(&wrong).contains("id=\"since-error\""), "{wrong}");
    let (mut path, mut seen) = ("/audit-log?action=endpoint.updated&limit=2".to_owned(), 0);
    for _ in 0..3 {
        let page = browser.page(&path);
        seen += page.matches("<strong>Endpoint changed</strong>").count();
        match page.split("href=\"").find(|rest| rest.starts_with("/audit-log?") && rest.contains("rel=\"next\"")) {
            Some(next) => path = next.split('"').next().unwrap().replace("&amp;", "&"),
            None => break,
        }
    }
    assert_eq!(seen, 5);
    let customer = Browser::signed_in(&server, &server.api_as("read", Some("globex")));
    assert!(!customer.page("/audit-log").contains(&made));
    assert_eq!(customer.get("/audit-log?account=acme").status, 403);
}
