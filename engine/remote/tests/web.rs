//! Files of a web server, with everything that servers and connections do to them.
#![cfg(feature = "network")]

mod server;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mixmake_remote::{Client, Identity, Location, Patience, RemoteError, RemoteFile, Wanted};
use server::{Answer, Server};

const SHORT: Patience = Patience {
    connect: Duration::from_secs(5),
    stall: Duration::from_millis(700),
    tries: 3,
    pause: Duration::from_millis(5),
};

fn client() -> Client {
    Client::new(SHORT).expect("a client")
}

/// Bytes that are all different from their neighbours, so that a part in the wrong place shows.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u32)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
        .take(bytes)
        .collect()
}

fn list(url: &str) -> Result<RemoteFile, RemoteError> {
    let mut listed = client().list(&[Location::parse(url).expect("a URL")]);
    listed.remove(0).map(|mut listing| listing.files.remove(0))
}

fn download(file: &RemoteFile, scratch: &Path) -> Result<Vec<u8>, RemoteError> {
    let wanted = Wanted { file, commit: None, digest: None };
    let path = client().download(&wanted, scratch, &mut |_| ())?;
    Ok(fs::read(path).expect("read"))
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_file_comes_whole() {
    let bytes = content(300_000);
    let body = bytes.clone();
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/a%20b.jsonl" if asked.query.get("x").is_some_and(|x| x == "1/2") => {
            Answer::file(asked, &body, "\"tag\"")
        }
        "/from" => Answer::of(302, "").with("location", "/a%20b.jsonl?x=1%2F2"),
        "/empty" => Answer::file(asked, b"", "\"none\""),
        _ => Answer::of(404, "nothing"),
    });
    for path in ["/a%20b.jsonl?x=1%2F2", "/from"] {
        let file = list(&server.url(path)).expect("listed");
        assert_eq!((file.bytes, &file.identity), (300_000, &Identity::Etag("tag".to_owned())));
        let folder = scratch();
        let mut seen = Vec::new();
        let wanted = Wanted { file: &file, commit: None, digest: None };
        let path = client().download(&wanted, folder.path(), &mut |done| seen.push(done));
        assert_eq!(fs::read(path.expect("downloaded")).expect("read"), bytes);
        assert!(seen.is_sorted() && seen.last() == Some(&300_000), "{seen:?}");
    }
    let empty = list(&server.url("/empty")).expect("listed");
    assert_eq!(download(&empty, scratch().path()).expect("downloaded"), b"");
}

#[test]
fn a_connection_that_ends_is_gone_on_from() {
    let bytes = content(200_000);
    let (body, times) = (bytes.clone(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let mut answer = Answer::file(asked, &body, "\"t\"");
        if asked.method == "GET" && times.fetch_add(1, Ordering::SeqCst) < 2 {
            answer.cut = Some(50_000);
        }
        answer
    });
    let file = list(&server.url("/x")).expect("listed");
    assert_eq!(download(&file, scratch().path()).expect("downloaded"), bytes);
    let ranges: Vec<_> = server.gets("/x").iter().map(server::Asked::range).collect();
    assert_eq!(ranges, [None, Some((50_000, None)), Some((100_000, None))]);
}

#[test]
fn what_an_earlier_process_left_is_gone_on_from() {
    let bytes = content(100_000);
    let (body, whole) = (bytes.clone(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let mut answer = Answer::file(asked, &body, "\"t\"");
        // For all tries of the first call.
        if asked.method == "GET" && whole.fetch_add(1, Ordering::SeqCst) < 3 {
            answer.cut = Some(if asked.range().is_none() { 30_000 } else { 0 });
        }
        answer
    });
    let (file, folder) = (list(&server.url("/x")).expect("listed"), scratch());
    let error = download(&file, folder.path()).expect_err("it ends each time");
    assert!(error.is_transient() && error.hint().is_some(), "{error}");
    assert_eq!(download(&file, folder.path()).expect("downloaded"), bytes);
    let last = server.gets("/x").pop().expect("asked");
    assert_eq!(last.range(), Some((30_000, None)));
    // The part of another content is of no use.
    let folder = scratch();
    fs::write(folder.path().join("part"), [7; 999]).expect("written");
    fs::write(folder.path().join("part.of"), "100000 etag:other\n").expect("written");
    assert_eq!(download(&file, folder.path()).expect("downloaded"), bytes);
    assert_eq!(server.gets("/x").pop().expect("asked").range(), None);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let bytes = content(60_000);
    let (body, times) = (bytes.clone(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        let mut answer = Answer::of(200, body.clone()).with("etag", "\"t\"");
        if asked.method == "GET" && times.fetch_add(1, Ordering::SeqCst) == 0 {
            answer.cut = Some(20_000);
        }
        answer
    });
    let file = list(&server.url("/x")).expect("listed");
    assert_eq!(download(&file, scratch().path()).expect("downloaded"), bytes);
    let ranges: Vec<_> = server.gets("/x").iter().map(server::Asked::range).collect();
    assert_eq!(ranges, [None, Some((20_000, None)), None], "asked for a part, then for all");
}

#[test]
fn weak_tags_and_no_tags_join_no_parts() {
    for etag in ["W/\"t\"", ""] {
        let bytes = content(60_000);
        let (body, times) = (bytes.clone(), AtomicUsize::new(0));
        let server = Server::start(move |asked| {
            let mut answer = Answer::file(asked, &body, etag);
            if etag.is_empty() {
                answer.headers.retain(|(name, _)| name != "last-modified");
            }
            if asked.method == "GET" && times.fetch_add(1, Ordering::SeqCst) == 0 {
                answer.cut = Some(20_000);
            }
            answer
        });
        let file = list(&server.url("/x")).expect("listed");
        assert_eq!(download(&file, scratch().path()).expect("downloaded"), bytes);
        let ranges: Vec<_> = server.gets("/x").iter().map(server::Asked::range).collect();
        assert_eq!(ranges, [None, None], "{etag}");
    }
}

#[test]
fn a_file_that_changes_between_parts_is_not_mixed() {
    let (old, new) = (content(60_000), [content(60_000), vec![1]].concat()[1..].to_vec());
    let (first, second, times) = (old.clone(), new.clone(), AtomicUsize::new(0));
    let server = Server::start(move |asked| {
        if asked.method == "HEAD" {
            return Answer::file(asked, &first, "\"old\"");
        }
        match times.fetch_add(1, Ordering::SeqCst) {
            0 => Answer { cut: Some(20_000), ..Answer::file(asked, &first, "\"old\"") },
            _ => Answer::file(asked, &second, "\"new\""),
        }
    });
    let (file, folder) = (list(&server.url("/x")).expect("listed"), scratch());
    let error = download(&file, folder.path()).expect_err("it is another file");
    assert!(matches!(error, RemoteError::Changed { .. }), "{error}");
    assert!(error.hint().expect("a hint").contains("--update-remote"));
    // Where the content is known by its digest, a new tag alone is no change.
    let check = |content: &[u8]| {
        let digest = blake3_of(content);
        let wanted = Wanted { file: &file, commit: None, digest: Some(&digest) };
        let folder = scratch();
        client()
            .download(&wanted, folder.path(), &mut |_| ())
            .map(|path| fs::read(path).expect("read"))
    };
    assert_eq!(check(&new).expect("the same bytes"), new);
    let error = check(&old).expect_err("other bytes");
    assert!(matches!(error, RemoteError::Changed { .. }), "{error}");
}

fn blake3_of(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

#[test]
fn content_is_checked_by_its_hash() {
    let bytes = content(50_000);
    let mut body = bytes.clone();
    body[40_000] ^= 1;
    let server = Server::start(move |asked| Answer::file(asked, &body, "\"t\""));
    let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let identity = Identity::Sha256(hash);
    let file = RemoteFile { url: server.url("/x"), bytes: 50_000, identity };
    let folder = scratch();
    let error = download(&file, folder.path()).expect_err("a flipped bit");
    assert!(matches!(error, RemoteError::Damaged { .. }), "{error}");
    // A part that was damaged on this side is thrown away, and the file comes from the start.
    let good = bytes.clone();
    let server = Server::start(move |asked| Answer::file(asked, &good, "\"t\""));
    let file = RemoteFile { url: server.url("/x"), ..file };
    let folder = scratch();
    fs::write(folder.path().join("part"), vec![7; 10_000]).expect("written");
    fs::write(folder.path().join("part.of"), format!("50000 {}\n", file.identity))
        .expect("written");
    assert_eq!(download(&file, folder.path()).expect("downloaded"), bytes);
    let ranges: Vec<_> = server.gets("/x").iter().map(server::Asked::range).collect();
    assert_eq!(ranges, [Some((10_000, None)), None]);
}

/// Hashed as `git hash-object` does: `hello\n` is ce013625….
#[test]
fn small_files_of_the_hub_are_checked_as_git_does() {
    let server = Server::start(|asked| Answer::file(asked, b"hello\n", "\"t\""));
    let blob = |hash: &str| RemoteFile {
        url: server.url("/x"),
        bytes: 6,
        identity: Identity::GitBlob(hash.to_owned()),
    };
    let right = blob("ce013625030ba8dba906f756967f9e9ca394464a");
    assert_eq!(download(&right, scratch().path()).expect("downloaded"), b"hello\n");
    let wrong = blob("ce013625030ba8dba906f756967f9e9ca394464b");
    assert!(matches!(download(&wrong, scratch().path()), Err(RemoteError::Damaged { .. })));
}

#[test]
fn errors_that_pass_are_tried_again_and_others_are_not() {
    let times = AtomicUsize::new(0);
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/busy" if times.fetch_add(1, Ordering::SeqCst) < 4 => Answer::of(503, "busy"),
        "/busy" => Answer::file(asked, b"text", "\"t\""),
        "/secret" => Answer::of(403, "no"),
        "/broken" => Answer::of(500, "oh"),
        _ => Answer::of(404, "nothing"),
    });
    let file = list(&server.url("/busy")).expect("listed after a while");
    assert_eq!(download(&file, scratch().path()).expect("downloaded"), b"text");
    assert!(matches!(list(&server.url("/none")), Err(RemoteError::NotFound { .. })));
    let denied = list(&server.url("/secret")).expect_err("denied");
    assert!(matches!(denied, RemoteError::Denied { .. }) && denied.hint().is_some(), "{denied}");
    let before = server.gets("/broken").len();
    let broken = list(&server.url("/broken")).expect_err("broken");
    assert!(broken.is_transient() && broken.to_string().contains("500"), "{broken}");
    assert_eq!(server.gets("/broken").len() - before, 3, "as often as the patience says");
    let gone = Server::start(|_| Answer::of(200, "")).url("/x");
    let error = list(&gone).expect_err("nobody listens");
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
}

#[test]
fn a_server_that_refuses_head_is_asked_otherwise() {
    let server = Server::start(|asked| match asked.method.as_str() {
        "HEAD" => Answer::of(405, ""),
        _ => Answer::file(asked, b"text", "\"t\""),
    });
    let file = list(&server.url("/x")).expect("listed");
    assert_eq!((file.bytes, file.identity.to_string().as_str()), (4, "etag:t"));
}

#[test]
fn a_length_that_is_wrong_or_unsaid_is_refused() {
    let server = Server::start(|asked| match (asked.path.as_str(), asked.method.as_str()) {
        ("/unsaid", _) => Answer { unsized_: true, ..Answer::of(200, "text") },
        (_, "HEAD") => Answer::file(asked, b"text and more", "\"t\""),
        _ => Answer::file(asked, b"text", "\"t\""),
    });
    let unsaid = list(&server.url("/unsaid")).expect_err("no length");
    assert!(unsaid.to_string().contains("Content-Length"), "{unsaid}");
    let file = list(&server.url("/x")).expect("listed");
    let error = download(&file, scratch().path()).expect_err("shorter");
    assert!(matches!(error, RemoteError::Changed { .. }), "{error}");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let times = AtomicUsize::new(0);
    let bytes = content(40_000);
    let body = bytes.clone();
    let server = Server::start(move |asked| {
        let mut answer = Answer::file(asked, &body, "\"t\"");
        if asked.method == "GET" && times.fetch_add(1, Ordering::SeqCst) == 0 {
            answer.pause = Some(Duration::from_secs(20));
        }
        answer
    });
    let file = list(&server.url("/x")).expect("listed");
    let started = std::time::Instant::now();
    assert_eq!(download(&file, scratch().path()).expect("downloaded"), bytes);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(server.gets("/x")[1].range(), Some((20_000, None)));
}
