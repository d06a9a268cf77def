//! Servers that speak what object stores and the hub speak, as far as listing and reading goes, on this machine's own
//! address. Each wants the credentials that the environment of [`Clouds::dress`] has.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ring::digest;
use serde_json::{Value, json};

use crate::server::{Answer, Asked, Server, decode};

/// What must be in no file and no message.
pub const SECRETS: [&str; 3] = ["hf_secretToken", "s3SecretKey", "YXp1cmUtc2VjcmV0LWtleQ=="];

/// Contents by key; the same for every kind of store, whose bucket is called `bucket`.
type Objects = BTreeMap<String, Vec<u8>>;

/// A dataset's commits, and what each has.
#[derive(Default)]
pub struct Dataset {
    /// Of `main`.
    pub head: usize,
    pub commits: Vec<Objects>,
}

#[derive(Default)]
struct State {
    objects: Mutex<Objects>,
    dataset: Mutex<Dataset>,
    /// Every body stops in its middle.
    stalls: AtomicBool,
}

/// All of them at once.
pub struct Clouds {
    pub web: Server,
    pub s3: Server,
    pub gs: Server,
    pub az: Server,
    pub hub: Server,
    /// Where the hub sends for large files.
    pub cdn: Server,
    state: Arc<State>,
}

impl Clouds {
    pub fn start() -> Self {
        let state = Arc::<State>::default();
        let serve = |answer: fn(&State, &Asked) -> Answer| {
            let state = Arc::clone(&state);
            Server::start(move |asked| state.stalled(asked, answer(&state, asked)))
        };
        let cdn = serve(cdn);
        let (kept, address) = (Arc::clone(&state), cdn.url(""));
        let hub = Server::start(move |asked| kept.stalled(asked, hub(&kept, asked, &address)));
        let (web, s3, gs, az) = (serve(web), serve(s3), serve(gs), serve(az));
        Self { web, s3, gs, az, hub, cdn, state }
    }

    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        self.state.objects.lock().expect("not poisoned")
    }

    pub fn dataset(&self) -> MutexGuard<'_, Dataset> {
        self.state.dataset.lock().expect("not poisoned")
    }

    pub fn stall(&self, stalls: bool) {
        self.state.stalls.store(stalls, Ordering::SeqCst);
    }

    fn servers(&self) -> [&Server; 6] {
        [&self.web, &self.s3, &self.gs, &self.az, &self.hub, &self.cdn]
    }

    /// How many requests there were, to anybody.
    pub fn asked(&self) -> usize {
        self.servers().iter().map(|server| server.asked().len()).sum()
    }

    /// Paths of the requests for contents of files, with where they began.
    pub fn read(&self) -> Vec<(String, Option<usize>)> {
        let all = self.servers().into_iter().flat_map(Server::asked);
        let is_content = |asked: &Asked| {
            asked.method == "GET"
                && decode(&asked.path).contains("data/")
                && !asked.path.starts_with("/api/")
        };
        let start = |asked: Asked| (asked.path.clone(), asked.range().map(|(first, _)| first));
        all.filter(is_content).map(start).collect()
    }

    /// Gives a command the endpoints and the credentials.
    pub fn dress<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        undress(command);
        let url = |server: &Server| server.url("");
        command.envs([
            ("AWS_ENDPOINT_URL", url(&self.s3)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRETS[1].to_owned()),
            ("GOOGLE_BASE_URL", url(&self.gs)),
            ("GOOGLE_SKIP_SIGNATURE", "true".to_owned()),
            ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
            ("AZURE_STORAGE_ENDPOINT", url(&self.az)),
            ("AZURE_ALLOW_HTTP", "true".to_owned()),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
            ("AZURE_STORAGE_ACCOUNT_KEY", SECRETS[2].to_owned()),
            ("HF_ENDPOINT", url(&self.hub)),
            ("HF_TOKEN", SECRETS[0].to_owned()),
        ])
    }
}

/// Takes everything away that a command could find of the machine's own services.
pub fn undress(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let prefixes = ["AWS_", "GOOGLE_", "AZURE_", "HF_", "MIXMAKE_"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix))
            || name.to_ascii_lowercase().ends_with("_proxy")
        {
            command.env_remove(&*name);
        }
    }
    command.env("HF_HOME", "/nonexistent");
}

impl State {
    fn stalled(&self, asked: &Asked, answer: Answer) -> Answer {
        let stalls = self.stalls.load(Ordering::SeqCst) && decode(&asked.path).contains("data/");
        Answer { pause: stalls.then_some(Duration::from_secs(60)), ..answer }
    }

    fn object(&self, asked: &Asked, key: &str) -> Answer {
        match self.objects.lock().expect("not poisoned").get(&decode(key)) {
            Some(content) => Answer::file(asked, content, &etag(content)),
            None => Answer::of(404, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    }

    /// Of the keys with a prefix, two a page, from a marker on; and the next marker.
    fn page(&self, prefix: &str, marker: &str) -> (Vec<(String, Vec<u8>)>, Option<String>) {
        let objects = self.objects.lock().expect("not poisoned");
        let from = objects.range(marker.to_owned()..).filter(|(key, _)| key.starts_with(prefix));
        let mut found: Vec<_> =
            from.take(3).map(|(key, content)| (key.clone(), content.clone())).collect();
        let next = (found.len() == 3).then(|| found.remove(2).0);
        (found, next)
    }
}

fn hash(algorithm: &'static digest::Algorithm, parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn etag(content: &[u8]) -> String {
    format!("\"{}\"", &hash(&digest::SHA256, &[content])[..32])
}

fn web(state: &State, asked: &Asked) -> Answer {
    state.object(asked, asked.path.trim_start_matches('/'))
}

fn authorization(asked: &Asked) -> &str {
    asked.headers.get("authorization").map_or("", String::as_str)
}

fn s3(state: &State, asked: &Asked) -> Answer {
    if !authorization(asked).starts_with("AWS4-HMAC-SHA256 Credential=key/") {
        return Answer::of(403, "<Error><Code>AccessDenied</Code></Error>");
    }
    listing_or_object(state, asked)
}

fn gs(state: &State, asked: &Asked) -> Answer {
    listing_or_object(state, asked)
}

/// Both speak `ListObjectsV2`.
fn listing_or_object(state: &State, asked: &Asked) -> Answer {
    let query = |name: &str| asked.query.get(name).map_or("", String::as_str);
    let Some(key) = asked.path.strip_prefix("/bucket") else { return Answer::of(404, "") };
    if !asked.query.contains_key("list-type") {
        return state.object(asked, key.trim_start_matches('/'));
    }
    let (page, next) = state.page(query("prefix"), query("continuation-token"));
    let mut body = "<?xml version=\"1.0\"?><ListBucketResult>".to_owned();
    for (key, content) in page {
        body.push_str(&format!(
            "<Contents><Key>{key}</Key><LastModified>2024-01-02T03:04:05.000Z</LastModified><ETag>{}</ETag>\
             <Size>{}</Size></Contents>",
            etag(&content).replace('"', "&quot;"),
            content.len()
        ));
    }
    if let Some(next) = next {
        body.push_str(&format!("<NextContinuationToken>{next}</NextContinuationToken>"));
    }
    Answer::of(200, body + "</ListBucketResult>")
}

/// Its listings have tags without quotes.
fn az(state: &State, asked: &Asked) -> Answer {
    if !authorization(asked).starts_with("SharedKey account:") {
        return Answer::of(403, "");
    }
    let query = |name: &str| asked.query.get(name).map_or("", String::as_str);
    let Some(key) = asked.path.strip_prefix("/bucket") else { return Answer::of(404, "") };
    if query("comp") != "list" {
        return state
            .object(asked, key.trim_start_matches('/'))
            .with("x-ms-blob-type", "BlockBlob");
    }
    let (page, next) = state.page(query("prefix"), query("marker"));
    let mut body = "<?xml version=\"1.0\"?><EnumerationResults><Blobs>".to_owned();
    for (key, content) in page {
        body.push_str(&format!(
            "<Blob><Name>{key}</Name><Properties><Last-Modified>Tue, 02 Jan 2024 03:04:05 GMT</Last-Modified>\
             <Content-Length>{}</Content-Length><Content-Type>text/plain</Content-Type><Etag>{}</Etag>\
             </Properties></Blob>",
            content.len(),
            etag(&content).trim_matches('"'),
        ));
    }
    let next = next.unwrap_or_default();
    Answer::of(200, format!("{body}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"))
}

/// The commit's hash.
pub fn commit(number: usize) -> String {
    format!("{:040x}", 0xc0_ffee + number)
}

fn hub(state: &State, asked: &Asked, cdn: &str) -> Answer {
    if authorization(asked) != format!("Bearer {}", SECRETS[0]) {
        return Answer::of(401, "{\"error\":\"Repository not found\"}");
    }
    let dataset = state.dataset.lock().expect("not poisoned");
    let at = |revision: &str| match revision {
        "main" => Some(dataset.head),
        "refs/convert/parquet" => Some(0),
        _ => (0..dataset.commits.len()).find(|number| commit(*number) == revision),
    };
    if let Some(revision) = asked.path.strip_prefix("/api/datasets/owner/name/revision/") {
        return match at(&decode(revision)) {
            Some(number) => json_answer(&json!({ "sha": commit(number), "siblings": [] })),
            None => Answer::of(404, ""),
        };
    }
    if let Some(rest) = asked.path.strip_prefix("/api/datasets/owner/name/tree/") {
        let (revision, folder) = rest.split_once('/').unwrap_or((rest, ""));
        return match at(revision) {
            Some(number) => tree(&dataset.commits[number], asked, &decode(folder)),
            None => Answer::of(404, ""),
        };
    }
    let rest = asked.path.strip_prefix("/datasets/owner/name/resolve/").unwrap_or_default();
    let (revision, path) = rest.split_once('/').unwrap_or_default();
    let content = at(revision).and_then(|number| dataset.commits[number].get(&decode(path)));
    match content {
        None => Answer::of(404, ""),
        Some(content) if is_large(path) => {
            let place = format!("{cdn}/data/{}", hash(&digest::SHA256, &[content]));
            Answer::of(302, "").with("location", &place)
        }
        Some(content) => Answer::file(asked, content, &etag(content)),
    }
}

/// Files of a commit that go by their SHA-256.
fn is_large(path: &str) -> bool {
    path.ends_with(".jsonl")
}

/// Two entries a page; the link to the next one names another host, to which no token may go.
fn tree(files: &Objects, asked: &Asked, folder: &str) -> Answer {
    let from = asked.query.get("cursor").map_or("", String::as_str);
    let below = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
    let mut found: Vec<_> =
        files.range(from.to_owned()..).filter(|(path, _)| below(path)).take(3).collect();
    let next = (found.len() == 3).then(|| found.remove(2).0.clone());
    let entry = |(path, content): &(&String, &Vec<u8>)| -> Value {
        let header = format!("blob {}\0", content.len());
        let blob = hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[header.as_bytes(), content]);
        let mut entry = json!({ "type": "file", "path": path, "oid": blob, "size": content.len() });
        if is_large(path) {
            let oid = hash(&digest::SHA256, &[content]);
            entry["lfs"] = json!({ "oid": oid, "size": content.len(), "pointerSize": 130 });
        }
        entry
    };
    let mut entries: Vec<_> = found.iter().map(entry).collect();
    entries.push(json!({ "type": "directory", "path": "data", "oid": "0", "size": 0 }));
    let answer = json_answer(&Value::Array(entries));
    match next {
        Some(next) => {
            let next = next.replace('/', "%2F");
            answer.with(
                "link",
                &format!("<http://127.0.0.1:9/x?recursive=true&cursor={next}>; rel=\"next\""),
            )
        }
        None => answer,
    }
}

/// Large files by their hash; a token sent here would be one given away.
fn cdn(state: &State, asked: &Asked) -> Answer {
    if !authorization(asked).is_empty() {
        return Answer::of(400, "a token");
    }
    let wanted = asked.path.trim_start_matches("/data/");
    let dataset = state.dataset.lock().expect("not poisoned");
    let mut contents = dataset.commits.iter().flat_map(BTreeMap::values);
    match contents.find(|content| hash(&digest::SHA256, &[content]) == wanted) {
        Some(content) => Answer::file(asked, content, &etag(content)),
        None => Answer::of(404, ""),
    }
}

fn json_answer(value: &Value) -> Answer {
    Answer::of(200, value.to_string()).with("content-type", "application/json")
}
