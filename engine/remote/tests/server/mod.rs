//! A web server for tests, on this machine's own address: answers by a function, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Without the query, as it was sent.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    /// Of `bytes=FIRST-LAST`, where the last may be missing.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()))
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
    /// Half of the body, then so long nothing.
    pub pause: Option<Duration>,
    /// Whether the length is left unsaid.
    pub unsized_: bool,
}

impl Answer {
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file, or the part of it that is asked for.
    pub fn file(asked: &Asked, content: &[u8], etag: &str) -> Self {
        let whole = Self::of(200, content).with("accept-ranges", "bytes");
        let answer = match asked.range() {
            Some((first, _)) if first >= content.len() => {
                Self::of(416, "").with("content-range", &format!("bytes */{}", content.len()))
            }
            Some((first, last)) => {
                let end = last.map_or(content.len(), |last| (last + 1).min(content.len()));
                let range = format!("bytes {first}-{}/{}", end - 1, content.len());
                Self::of(206, &content[first..end]).with("content-range", &range)
            }
            None => whole,
        };
        let answer = answer.with("last-modified", "Tue, 02 Jan 2024 03:04:05 GMT");
        if etag.is_empty() { answer } else { answer.with("etag", etag) }
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// Runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (asked, stopped) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicBool>::default());
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, stop) = (Arc::clone(&asked), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                std::thread::spawn(move || serve(stream, &log, &*handler));
            }
        });
        Self { address, asked, stopped, thread: Some(thread) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests for bodies, of a path that ends so.
    pub fn gets(&self, end: &str) -> Vec<Asked> {
        let is_get = |asked: &Asked| asked.method == "GET" && decode(&asked.path).ends_with(end);
        self.asked().into_iter().filter(is_get).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Asked>>, handler: &Handler) {
    let Some(asked) = read(&stream) else { return };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let answer = handler(&asked);
    let _ = write(stream, &asked, &answer);
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = BTreeMap::new();
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
    Some(Asked { method, path: path.to_owned(), query, headers })
}

fn write(mut stream: TcpStream, asked: &Asked, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.unsized_ {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    if asked.method == "HEAD" {
        return Ok(());
    }
    let body = &answer.body[..answer.cut.unwrap_or(answer.body.len())];
    if let Some(pause) = answer.pause {
        stream.write_all(&body[..body.len() / 2])?;
        stream.flush()?;
        std::thread::sleep(pause);
        return stream.write_all(&body[body.len() / 2..]);
    }
    stream.write_all(body)
}

/// Percent-encoded text.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match (first, code.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
