//! Archives that are not whole, and places that must not be written over: nothing comes of them, and the message says
//! what is wrong and where.

use std::fs;
use std::path::Path;

use crate::backup::{back_up, restore, said, succeed};
use crate::support::server::mythichooks;
use crate::support::{Behaviour, Receiver, Reply, Server};

/// A server with something in its store, and the bytes of its backup.
fn backed_up(root: &Path) -> (Server, Vec<u8>) {
    let server = Server::start();
    let api = server.admin();
    api.endpoint(&Receiver::ok().url());
    for _ in 0..20 {
        api.event();
    }
    let file = root.join("good");
    succeed(&back_up(&server, &file, &[]));
    let bytes = fs::read(file).unwrap();
    (server, bytes)
}

#[test]
fn a_damaged_backup_is_refused_by_restore_and_verify() {
    let root = tempfile::tempdir().unwrap();
    let (_server, good) = backed_up(root.path());
    let length = good.len();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut cases: Vec<(String, Vec<u8>, String)> = vec![
        ("empty".to_owned(), Vec::new(), "it is empty".to_owned()),
        (
            "garbage".to_owned(),
            (0..5_000_u32).map(|n| (n * 7) as u8).collect(),
            "it does not begin like one".to_owned(),
        ),
        ("twice".to_owned(), [good.clone(), good.clone()].concat(), format!("behind its end at byte {length}")),
        ("newer".to_owned(), [b"mythichooks backup 9\n", &good[21..]].concat(), "version 9".to_owned()),
    ];
    for cut in [1, 25, length / 2, length - 33, length - 1] {
        cases.push((format!("cut at {cut}"), good[..cut].to_vec(), format!("ends at byte {cut}")));
    }
    for at in [40, length / 2, length - 10] {
        cases.push((format!("flipped at {at}"), flipped(at), "the backup is damaged at byte ".to_owned()));
    }
    let (file, scratch) = (root.path().join("bad"), root.path().join("scratch"));
    let (missing, empty) = (root.path().join("missing"), root.path().join("empty"));
    fs::create_dir(&scratch).unwrap();
    fs::create_dir(&empty).unwrap();
    for (name, bytes, wanted) in cases {
        fs::write(&file, bytes).unwrap();
        let verify = || {
            let mut command = mythichooks();
            command.args(["verify", "--backup"]).arg(&file).arg("--scratch-dir").arg(&scratch).output().unwrap()
        };
        for output in [restore(&file, &missing), restore(&file, &empty), verify()] {
            assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
            assert!(said(&output).contains(&wanted), "{name}: {}", said(&output));
            assert!(!said(&output).contains("panicked"), "{name}: {}", said(&output));
        }
        assert!(!missing.exists(), "{name}");
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "{name}");
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0, "{name}");
    }
    fs::write(&file, &good).unwrap();
    succeed(&restore(&file, &empty));
}

#[test]
fn nothing_is_written_over() {
    let root = tempfile::tempdir().unwrap();
    let (mut server, good) = backed_up(root.path());
    let file = root.path().join("good");
    let again = back_up(&server, &file, &[]);
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(said(&again).contains("--force"), "{}", said(&again));
    assert_eq!(fs::read(&file).unwrap(), good);
    succeed(&back_up(&server, &file, &["--force"]));

    let used = root.path().join("used");
    fs::create_dir(&used).unwrap();
    fs::write(used.join("something"), "of somebody's").unwrap();
    let output = restore(&file, &used);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not empty"), "{}", said(&output));
    assert_eq!(fs::read_dir(&used).unwrap().count(), 1);

    let output = restore(&file, &server.setup.data_dir());
    assert_eq!(output.status.code(), Some(1), "a store in use");
    assert_eq!(server.anonymous().get("/readyz").status, 200);
    server.kill();
    let output = restore(&file, &server.setup.data_dir());
    assert_eq!(output.status.code(), Some(1), "a store that is not in use");
    server.verify_store();
}

/// What the client got is checked by the client: a proxy or a server that breaks off leaves no file.
#[test]
fn no_file_comes_of_a_transfer_that_is_not_whole() {
    let root = tempfile::tempdir().unwrap();
    let (server, good) = backed_up(root.path());
    let cut = good[..good.len() - 40].to_vec();
    let length = good.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    let cases: [(&str, Behaviour); 4] = [
        ("cut, and said to be whole", Reply::status(200).body(cut.clone()).into()),
        ("broken off", Behaviour::Raw([head, cut].concat())),
        ("refused", Reply::status(503).header("retry-after", "1").into()),
        ("another thing", Reply::status(200).body("<html>").into()),
    ];
    let files = || fs::read_dir(root.path()).unwrap().count();
    let before = files();
    for (name, behaviour) in cases {
        let fake = Receiver::start(move |_, _| behaviour.clone());
        let mut command = mythichooks();
        command.arg("backup").arg(root.path().join("made")).arg("--server").arg(format!("http://{}", fake.address));
        command.arg("--token-file").arg(server.setup.data_dir().join("admin-token"));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert_eq!(files(), before, "{name}");
        // The same to standard output: what went there cannot be taken back, so that the exit code says it.
        let output = back_up_to_stdout(&format!("http://{}", fake.address), &server);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = back_up_to_stdout(&server.base, &server);
    assert!(output.status.success());
    let file = root.path().join("from-stdout");
    fs::write(&file, output.stdout).unwrap();
    succeed(&restore(&file, &root.path().join("store")));
}

fn back_up_to_stdout(base: &str, server: &Server) -> std::process::Output {
    let mut command = mythichooks();
    command.args(["backup", "-", "--server", base]);
    command.arg("--token-file").arg(server.setup.data_dir().join("admin-token"));
    command.output().unwrap()
}
