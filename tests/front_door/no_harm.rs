//! What a command leaves alone, and what it says when it refuses: files that are not its own, directories without a
//! store, a server that cannot start, a log that strangers write to.

use std::path::Path;
use std::process::Output;

use crate::backup::{back_up, said, succeed};
use crate::support::server::mythichooks;
use crate::support::{Server, raw};

/// It ended with 1, and said this.
#[track_caller]
fn refused(output: &Output, with: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(with), "{with:?} is not in {}", said(output));
    assert!(!said(output).contains("panic"), "{}", said(output));
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn a_backup_replaces_a_file_and_nothing_else() {
    let server = Server::start();
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let pipe = at("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::create_dir(at("directory")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    std::fs::write(at("old"), "old").unwrap();
    std::os::unix::fs::symlink("old", at("link")).unwrap();

    for name in ["pipe", "directory", "dangling", "old", "link"] {
        refused(&back_up(&server, &at(name), &[]), "is there already");
    }
    for (name, reason) in [("pipe", "no regular file"), ("directory", "no regular file"), ("dangling", "No such file")]
    {
        refused(&back_up(&server, &at(name), &["--force"]), reason);
    }
    assert!(!std::fs::symlink_metadata(&pipe).unwrap().is_file());
    assert!(std::fs::symlink_metadata(at("dangling")).unwrap().is_symlink());
    assert_eq!(std::fs::read(at("old")).unwrap(), b"old");
    succeed(&back_up(&server, &at("link"), &["--force"]));
    assert!(std::fs::symlink_metadata(at("link")).unwrap().is_symlink(), "the link was replaced, not what it leads to");
    let verify = mythichooks().args(["verify", "--backup"]).arg(at("old")).output().unwrap();
    succeed(&verify);
}

#[test]
fn a_file_beside_a_backup_is_replaced_only_if_it_is_one_that_was_broken_off() {
    let server = Server::start();
    let root = tempfile::tempdir().unwrap();
    let (file, partial) = (root.path().join("b"), root.path().join("b.partial"));
    std::fs::write(&partial, "somebody's notes").unwrap();
    refused(&back_up(&server, &file, &[]), "b.partial is in the way");
    assert_eq!(std::fs::read(&partial).unwrap(), b"somebody's notes");
    assert!(!file.exists());
    for begun in ["", "mythichooks b", "mythichooks backup 1\nM and more"] {
        std::fs::write(&partial, begun).unwrap();
        succeed(&back_up(&server, &file, &["--force"]));
        assert!(!partial.exists());
    }
}

#[test]
fn a_directory_without_a_store_is_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (empty, to) = (root.path().join("empty"), root.path().join("to"));
    std::fs::create_dir(&empty).unwrap();
    for directory in [&empty, &root.path().join("missing")] {
        let run = |command: &[&str]| mythichooks().args(command).arg("--data-dir").arg(directory).output().unwrap();
        for output in
            [run(&["verify"]), run(&["migrate", "--engine", "redb"]), run(&["repair", "--to", to.to_str().unwrap()])]
        {
            refused(&output, &format!("there is no store in {}", directory.display()));
            assert!(!said(&output).contains("damaged"), "{}", said(&output));
        }
    }
    assert!(is_empty(&empty) && !to.exists() && !root.path().join("missing").exists());
}

#[test]
fn nothing_is_made_inside_a_damaged_store_or_where_no_directory_is() {
    let mut server = Server::start();
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("b");
    succeed(&back_up(&server, &file, &[]));
    server.terminate();
    let data = server.setup.data_dir();
    let repair = |to: &Path| {
        let output = mythichooks().arg("repair").arg("--data-dir").arg(&data).arg("--to").arg(to).output().unwrap();
        refused(&output, "lies in the damaged store");
    };
    repair(&data.join("store/sub/further"));
    std::os::unix::fs::symlink(&data, root.path().join("link")).unwrap();
    repair(&root.path().join("link/store/sub"));
    assert!(!data.join("store/sub").exists());

    let missing = root.path().join("missing");
    let verify = mythichooks().args(["verify", "--backup"]).arg(&file).arg("--scratch-dir").arg(&missing).output();
    refused(&verify.unwrap(), "missing");
    assert!(!missing.exists());
}

/// What was started is stopped before the program ends.
#[test]
fn a_start_that_fails_late_is_one_error_and_no_panic() {
    let mut server = Server::start();
    let api = server.admin();
    api.endpoint("http://127.0.0.1:9/");
    api.event();
    server.terminate();
    let mut serve = mythichooks();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--listen-file", "/nowhere/at/all", "--data-dir"]);
    refused(&serve.arg(server.setup.data_dir()).output().unwrap(), "/nowhere/at/all");
    server.verify_store();
}

#[test]
fn strangers_do_not_write_errors_into_the_log() {
    let mut server = Server::start();
    for request in
        [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n"]
    {
        let answer = raw::exchange(server.address(), request);
        assert_eq!(raw::status(&answer), Some(400), "{answer:?}");
    }
    server.terminate();
    let log = server.log();
    assert!(log.contains("INFO ready") && !log.contains("ERROR"), "{log}");
}
