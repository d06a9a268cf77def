//! URLs and datasets of the hub: those that name files, and hold nothing that does not belong into a manifest.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::remote::{SCHEMES, scheme};
use crate::steps::is_reference;
use crate::suggest::{list, nearest};
use crate::tree::Span;

/// What makes a path a glob; in a URL of a web server, `?` begins the query.
const WILDCARDS: [char; 3] = ['*', '[', '{'];

/// Parameters of a query that let whoever has them in.
const SECRETS: [&str; 8] = [
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "signature",
    "sig",
    "token",
    "access_token",
    "api_key",
];

/// What is wrong with a text and what to do about it.
type Problem = (String, String);

pub fn check(document: &Document, sink: &mut Sink) {
    let corpus = document.single("corpus");
    for domain in document.all("domain").iter().chain(corpus) {
        hub(domain, sink);
    }
    for domain in document.all("domain") {
        revision(domain, corpus, sink);
        for key in ["files", "exclude", "decontaminate"] {
            for pattern in domain.texts(key).unwrap_or_default() {
                let in_hub = key != "decontaminate" && domain.is_set("hub");
                say(file(&pattern.value, in_hub), &pattern.span, sink);
            }
        }
    }
    for step in document.all("step") {
        for input in step.texts("inputs").unwrap_or_default() {
            let problem =
                scheme(&input.value).map(|_| elsewhere(&input.value, "a step's `inputs`"));
            say(problem, &input.span, sink);
        }
    }
    if let Some(tokenizer) = document.single("tokenizer")
        && let Some(file) = tokenizer.text("file")
    {
        say(scheme(&file).and_then(|scheme| one_file(&file, scheme)), tokenizer.span("file"), sink);
    }
}

fn say(problem: Option<Problem>, span: &Span, sink: &mut Sink) {
    if let Some((message, help)) = problem {
        sink.push(sink.at(span, message).help(help));
    }
}

fn hub(domain: &Section, sink: &mut Sink) {
    let Some(name) = domain.text("hub") else { return };
    let is_name = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_letter)
    };
    if name.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name)) {
        return;
    }
    let path = name.split("huggingface.co/").last().unwrap_or_default();
    let path = path.strip_prefix("hf://").unwrap_or(path);
    let parts: Vec<_> = path.trim_start_matches("datasets/").split(['/', '@']).take(2).collect();
    let help = match parts[..] {
        [owner, dataset] if path != name.as_str() || name.starts_with("datasets/") => {
            format!("write `hub = \"{owner}/{dataset}\"`")
        }
        _ => "datasets are named by owner and name, as on their pages: \"allenai/c4\"".to_owned(),
    };
    let message = format!("`{name}` is not OWNER/NAME of a dataset of the hub");
    sink.push(sink.at(domain.span("hub"), message).help(help));
}

/// A revision is one of a dataset; what `[corpus]` says holds for those domains that have one.
fn revision(domain: &Section, corpus: Option<&Section>, sink: &mut Sink) {
    let span = domain.span("revision");
    let is_inherited =
        corpus.is_some_and(|corpus| corpus.is_set("revision") && corpus.span("revision") == span);
    if domain.is_set("revision") && !domain.is_set("hub") && !is_inherited {
        let message = format!("`{}` has a `revision` and no `hub`", domain.name);
        sink.push(
            sink.at(span, message)
                .help("add `hub = \"OWNER/NAME\"`, or write the revision into the URL: hf://datasets/OWNER/NAME@REVISION/PATH"),
        );
    }
    if let Some(text) = domain.text("revision")
        && text.contains(|letter: char| letter.is_whitespace() || "*?[]{}@%#".contains(letter))
    {
        let found = sink.at(span, format!("`{text}` is not the name of a revision"));
        sink.push(found.help("name one branch, tag or commit"));
    }
}

/// A pattern of files.
fn file(text: &str, in_hub: bool) -> Option<Problem> {
    match scheme(text) {
        Some(scheme) => url(text, scheme),
        None if in_hub && !is_reference(text) => in_dataset(text),
        None => None,
    }
}

/// A URL of a single file.
fn one_file(text: &str, scheme: &str) -> Option<Problem> {
    let is_web = matches!(scheme, "http" | "https");
    let is_glob = !is_web && (text.contains(WILDCARDS) || text.contains('?'));
    let glob = || {
        let message = format!("`{text}` is a glob, and a tokenizer is one file");
        (message, "name the file: https://HOST/tokenizer.json".to_owned())
    };
    if scheme == "hf" && !text.starts_with("hf://datasets/") {
        let message = format!("`{text}` is not in a dataset, and hf:// names files of datasets");
        let help =
            "a model's file is https://huggingface.co/OWNER/NAME/resolve/REVISION/tokenizer.json";
        return Some((message, help.to_owned()));
    }
    url(text, scheme).or_else(|| is_glob.then(glob))
}

fn in_dataset(text: &str) -> Option<Problem> {
    if text.starts_with('/') {
        let message = format!("`{text}` is a path of this machine, and the domain has a `hub`");
        let help = "name paths or globs in the dataset, such as \"data/*.parquet\"; a file of this machine is \"file:///…\"";
        return Some((message, help.to_owned()));
    }
    let path = text.trim_start_matches("./");
    (!is_path(path)).then(|| no_file(text, "data/*.parquet"))
}

fn url(text: &str, scheme: &str) -> Option<Problem> {
    let rest = &text[scheme.len() + 3..];
    match scheme {
        "http" | "https" => web(text, rest),
        "s3" | "gs" | "az" => match rest.split_once('/') {
            Some((bucket, key))
                if !bucket.is_empty() && is_path(key) && !bucket.contains(WILDCARDS) =>
            {
                None
            }
            _ => Some(no_file(text, &format!("{scheme}://BUCKET/FOLDER/*.jsonl.zst"))),
        },
        "hf" => {
            match rest.strip_prefix("datasets/").map(|rest| rest.splitn(3, '/').collect::<Vec<_>>())
            {
                Some(parts) if matches!(parts[..], [owner, name, path] if !owner.is_empty() && !name.is_empty() && !name.starts_with('@') && !name.ends_with('@') && is_path(path)) => {
                    None
                }
                _ => Some(no_file(text, "hf://datasets/OWNER/NAME@REVISION/PATH")),
            }
        }
        "file" if rest.starts_with('/') && is_path(&rest[1..]) => None,
        "file" => Some(no_file(text, "file:///FOLDER/*.jsonl")),
        other => {
            let help = match nearest(other, SCHEMES) {
                Some(near) => format!("did you mean `{near}://`?"),
                None => format!("there are {}", list(SCHEMES, "and")),
            };
            Some((format!("nothing is known of `{other}://`"), help))
        }
    }
}

fn web(text: &str, rest: &str) -> Option<Problem> {
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let is_secret = |name: &str| SECRETS.contains(&name.to_ascii_lowercase().as_str());
    if host.contains('@') || names.into_iter().any(is_secret) {
        let message =
            "the URL holds credentials, which a manifest, its lock file and logs would show"
                .to_owned();
        let help =
            "take them out; mixmake takes credentials of s3, gs, az and hf from the environment";
        return Some((message, help.to_owned()));
    }
    if path.contains(WILDCARDS) {
        let message =
            format!("`{text}` is a glob, and a web server does not say which files it has");
        let help = "name every file; in s3, gs, az and hf globs can be used";
        return Some((message, help.to_owned()));
    }
    let is_file = !host.is_empty() && !path.is_empty() && !path.ends_with('/');
    (!is_file).then(|| no_file(text, "https://HOST/FILE.jsonl.zst"))
}

fn no_file(text: &str, example: &str) -> Problem {
    (format!("`{text}` names no file"), format!("write it as \"{example}\""))
}

/// A path or glob of parts that each say something.
fn is_path(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains(char::is_control))
}

fn elsewhere(text: &str, place: &str) -> Problem {
    let message = format!("`{text}` is a URL, which {place} cannot be");
    let help =
        "name a file of this machine; `files` of domains and `file` of `[tokenizer]` may be URLs";
    (message, help.to_owned())
}
