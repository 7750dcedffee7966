//! Names: every answer is checked at every attempt, and a look-up that fails or hangs harms nobody else.

use super::*;

fn socket(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 443)
}

#[actix_web::test]
async fn literals_in_every_notation_are_judged_without_a_look_up() {
    let resolver = Prepared::new([vec![]]);
    let transport = prepared(Settings::default(), &resolver);
    for (url, named) in [
        ("https://127.0.0.1/", "127.0.0.1"),
        ("https://2130706433/", "127.0.0.1"),
        ("https://0x7f.1/", "127.0.0.1"),
        ("https://0177.0.0.1/", "127.0.0.1"),
        ("https://127.0.0.1./", "127.0.0.1"),
        ("https://①②⑦.0.0.1/", "127.0.0.1"),
        ("https://0/", "0.0.0.0"),
        ("https://10.1.2.3/", "10.1.2.3"),
        ("https://169.254.169.254/latest/meta-data/", "169.254.169.254"),
        ("https://100.64.0.1/", "100.64.0.1"),
        ("https://[::]/", "::"),
        ("https://[::1]/", "::1"),
        ("https://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254"),
        ("https://[64:ff9b::a9fe:a9fe]/", "64:ff9b::a9fe:a9fe"),
        ("https://[2002:7f00:1::]/", "2002:7f00:1::"),
        ("https://[2001::1]/", "2001::1"),
        ("https://[fe80::1]/", "fe80::1"),
        ("https://[fd00::1]/", "fd00::1"),
    ] {
        let outcome = transport.send(request(url, LONG)).await.unwrap();
        assert_eq!(kind(&outcome), Some(ErrorKind::Blocked), "{url}: {outcome:?}");
        assert!(message(&outcome).starts_with(&format!("{named} is ")), "{url}: {}", message(&outcome));
        assert_eq!((outcome.remote_addr, outcome.response), (None, None));
    }
    assert!(resolver.asked.borrow().is_empty());
}

#[actix_web::test]
async fn one_forbidden_answer_refuses_all() {
    let (address, seen) = serve_bytes(OK);
    for mixed in [vec![address, socket("10.0.0.1")], vec![socket("169.254.169.254"), address]] {
        let resolver = Prepared::new([mixed]);
        let outcome = prepared(settings(), &resolver).send(request("http://mixed.example/", LONG)).await.unwrap();
        assert_eq!(kind(&outcome), Some(ErrorKind::Blocked));
        assert!(message(&outcome).starts_with("mixed.example leads to "), "{}", message(&outcome));
        assert!(outcome.timing.dns.is_some());
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_name_that_turns_forbidden_is_caught_though_a_connection_is_kept() {
    let (address, seen) = serve_bytes(OK);
    let resolver = Prepared::new([vec![address], vec![socket("192.168.0.1")]]);
    let transport = prepared(settings(), &resolver);
    let url = format!("http://rebinds.example:{}/", address.port());
    assert_eq!(code(&transport.send(request(&url, LONG)).await.unwrap()), 200);
    let outcome = transport.send(request(&url, LONG)).await.unwrap();
    assert_eq!(kind(&outcome), Some(ErrorKind::Blocked));
    let blocked = "rebinds.example leads to 192.168.0.1, a private address, where this server does not send";
    assert!(message(&outcome).starts_with(blocked), "{}", message(&outcome));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_failed_look_up_never_passes() {
    // RFC 6761, section 6.4: there are no names under `invalid`.
    let outcome = transport(settings()).send(request("https://no-such-name.invalid/", LONG)).await.unwrap();
    assert_eq!(kind(&outcome), Some(ErrorKind::Dns));
    assert!(message(&outcome).contains("no-such-name.invalid"));
}

#[actix_web::test]
async fn the_systems_own_names_are_looked_up() {
    let (address, _) = serve_bytes(OK);
    let networks = vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
    let transport = transport(Settings { allow_networks: networks, ..settings() });
    let outcome = transport.send(request(&format!("http://localhost:{}/", address.port()), LONG)).await.unwrap();
    assert_eq!((code(&outcome), outcome.remote_addr), (200, Some(address)));
    assert!(outcome.timing.dns.is_some());
}

/// Hangs for names that begin with `hangs`, until told otherwise; has an answer for the others.
#[derive(Clone)]
struct Hanging {
    answer: SocketAddr,
    under_way: Rc<RefCell<usize>>,
}

impl Resolve for Hanging {
    fn resolve(&self, host: &str, _: u16) -> LocalBoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        if host.starts_with("hangs") {
            *self.under_way.borrow_mut() += 1;
            Box::pin(std::future::pending())
        } else {
            let answer = self.answer;
            Box::pin(async move { Ok(vec![answer]) })
        }
    }
}

#[actix_web::test]
async fn names_that_hang_do_not_keep_the_others_from_being_looked_up() {
    let (answer, _) = serve_bytes(OK);
    let resolver = Hanging { answer, under_way: Rc::default() };
    let shared = Arc::new(Shared::new(settings()).unwrap());
    let transport = HttpTransport::with_resolver(shared, resolver.clone());
    let hung: Vec<_> = (0..200)
        .map(|at| {
            let transport = transport.clone();
            let url = format!("http://hangs-{}.example/", at % 20);
            actix_rt::spawn(async move { transport.send(request(&url, LONG * 2)).await.unwrap() })
        })
        .collect();
    // More than there are places for look-ups that do not hang.
    eventually(|| *resolver.under_way.borrow() >= 20 * 4).await;
    let outcome = transport.send(request("http://healthy.example/", LONG)).await.unwrap();
    assert_eq!(code(&outcome), 200);
    assert_eq!(*resolver.under_way.borrow(), 20 * 4, "each name has a few look-ups at a time");
    for hung in hung {
        hung.abort();
    }
}
