//! Pictures of the pages, made by `tests/screenshots`: all of them below `target/tmp/screenshots/`, to be looked at, and
//! the few that the documents show in `docs/screenshots/`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::chromium::Scripts;
use crate::ground::Ground;
use crate::pages::{Audience, Listed, PAGES};
use crate::person::{Hand, Person};
use crate::scene::{CUSTOMER, scene};

/// What the documents show: the name, the page, who looks, the width, the scheme.
const SHOWN: &[(&str, &str, Audience, u32, &str)] = &[
    ("overview", "/", Audience::Operators, 1280, "light"),
    ("overview-dark", "/", Audience::Operators, 1280, "dark"),
    ("overview-phone", "/", Audience::Operators, 390, "light"),
    ("endpoints", "/endpoints", Audience::Operators, 1280, "light"),
    ("endpoint", "/endpoints/{endpoint}", Audience::Operators, 1280, "light"),
    ("endpoint-new", "/endpoints/new", Audience::Operators, 1280, "dark"),
    ("logs", "/logs", Audience::Operators, 1280, "light"),
    ("delivery", "/logs/{delivery}", Audience::Operators, 1280, "light"),
    ("delivery-phone", "/logs/{delivery}", Audience::Operators, 390, "light"),
    ("event-types", "/event-types", Audience::Operators, 1280, "light"),
    ("live", "/live", Audience::Operators, 1280, "dark"),
    ("customer", "/endpoints", Audience::Everyone, 1280, "light"),
];
/// Longer pages are cut off there in the documents.
const TALLEST: f64 = 960.0;

fn directory(path: &Path) -> PathBuf {
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path).unwrap();
    path.to_owned()
}

fn picture(
    ground: &Ground,
    person: &Person,
    listed: &Listed,
    path: &str,
    width: u32,
    scheme: &str,
    tallest: f64,
) -> Vec<u8> {
    person.browser.size(width, 900);
    person.browser.scheme(scheme);
    person.go(path);
    listed.press.into_iter().for_each(|press| person.press(press));
    if listed.path == "/live" {
        ground.happens(person);
    }
    let height = person.browser.run("return document.documentElement.scrollHeight", &[]).as_f64().unwrap();
    person.browser.picture(f64::from(width), height.min(tallest))
}

/// Every page as this visitor sees it, in all widths and schemes.
fn all(ground: &Ground, person: &Person, audience: &[Audience], into: &Path) {
    let into = directory(into);
    for listed in PAGES.iter().filter(|listed| audience.contains(&listed.audience)) {
        let Some(path) = listed.filled(&ground.things) else { continue };
        let words: Vec<&str> =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let name = format!("{}{}", words.join("-").replace("01", ""), listed.press.map_or("", |_| "-pressed"));
        for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
            let bytes = picture(ground, person, listed, &path, width, scheme, 8_000.0);
            fs::write(into.join(format!("{name}-{width}-{scheme}.png")), bytes).unwrap();
        }
    }
}

fn operator(ground: &Ground) -> Person {
    let person = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    person.sign_in(ground.admin.token.as_ref().unwrap());
    person
}

fn customer(ground: &Ground) -> Person {
    let person = Person::new(&ground.server.base, Scripts::On, Hand::Mouse);
    person.go(&ground.portal_link(CUSTOMER));
    person.sees("Sign out");
    person
}

#[test]
#[ignore = "makes pictures: tests/screenshots"]
fn screenshots() {
    let looked_at = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    let ground = scene();
    let (operator, customer) = (operator(&ground), customer(&ground));
    let shown = directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/screenshots"));
    for (name, path, audience, width, scheme) in SHOWN {
        let person = if *audience == Audience::Operators { &operator } else { &customer };
        let listed = Listed { audience: *audience, path, press: None, status: 200 };
        let path = listed.filled(&ground.things).unwrap();
        let bytes = picture(&ground, person, &listed, &path, *width, scheme, TALLEST);
        fs::write(shown.join(format!("{name}.png")), bytes).unwrap();
    }
    if std::env::var_os("ALL_PAGES").is_none() {
        return;
    }
    all(&ground, &operator, &[Audience::Everyone, Audience::Operators], &looked_at.join("much"));
    all(&ground, &customer, &[Audience::Everyone], &looked_at.join("customer"));
    let bare = Ground::bare();
    let person = Person::new(&bare.server.base, Scripts::On, Hand::Mouse);
    all(&bare, &person, &[Audience::Nobody], &looked_at.join("nobody"));
    person.sign_in(bare.admin.token.as_ref().unwrap());
    all(&bare, &person, &[Audience::Everyone, Audience::Operators], &looked_at.join("bare"));
    let little = Ground::furnished();
    let person = self::operator(&little);
    all(&little, &person, &[Audience::Everyone, Audience::Operators], &looked_at.join("furnished"));
}
