//! Stores of `object_store`: web servers one URL at a time, and buckets with listings.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt,
    RetryConfig,
};

use super::wrong::Wrong;
use super::{Patience, identity, with_tries};
use crate::location::is_file;
use crate::{Location, RemoteError, RemoteFile, Scheme};

/// Stores of one process, opened when they are first asked.
pub struct Stores {
    patience: Patience,
    buckets: Mutex<HashMap<(Scheme, String), Arc<dyn ObjectStore>>>,
    /// The one client of all web servers: each has trusted certificates to load.
    web: Mutex<Option<HttpClient>>,
}

impl Stores {
    pub fn new(patience: Patience) -> Self {
        Self { patience, buckets: Mutex::default(), web: Mutex::default() }
    }

    /// Files that a location stands for: what a listing has, or the one file.
    pub async fn list(&self, location: &Location) -> Result<Vec<RemoteFile>, RemoteError> {
        if location.is_glob() {
            return with_tries(&self.patience, || self.list_matches(location)).await;
        }
        let meta = with_tries(&self.patience, || self.ask(location)).await?;
        Ok(vec![remote_file(location.to_string(), &meta)])
    }

    async fn list_matches(&self, location: &Location) -> Result<Vec<RemoteFile>, RemoteError> {
        let matcher = location.matcher().map_err(|error| RemoteError::Glob {
            url: location.to_string(),
            problem: error.kind().to_string(),
        })?;
        let wrong = Wrong::with(location);
        let (store, _) = self.open(location)?;
        let folder = match location.folder() {
            "" => None,
            folder => Some(Path::parse(folder).map_err(|error| wrong.answer(&error))?),
        };
        let fits = |meta: &ObjectMeta| {
            let key = meta.location.as_ref();
            is_file(key) && matcher.is_match(key)
        };
        let file = |meta: ObjectMeta| {
            remote_file(location.with_path(meta.location.as_ref()).to_string(), &meta)
        };
        let mut found = Vec::new();
        let mut listed = store.list(folder.as_ref());
        while let Some(meta) = within(&self.patience, &wrong, listed.next()).await? {
            let meta = meta.map_err(|error| wrong.of(error))?;
            if fits(&meta) {
                found.push(file(meta));
            }
        }
        Ok(found)
    }

    /// What the server says of one file. Some allow no `HEAD`: signed or simple ones; then a `GET` is begun.
    async fn ask(&self, location: &Location) -> Result<ObjectMeta, RemoteError> {
        let wrong = Wrong::with(location);
        let (store, path) = self.open(location)?;
        match within(&self.patience, &wrong, store.head(&path)).await? {
            Ok(meta) => Ok(meta),
            Err(_) => {
                let asked = store.get_opts(&path, GetOptions::default());
                let answer = within(&self.patience, &wrong, asked).await?;
                Ok(answer.map_err(|error| wrong.of(error))?.meta)
            }
        }
    }

    /// The store that has a location's file, and its path there.
    pub fn open(&self, location: &Location) -> Result<(Arc<dyn ObjectStore>, Path), RemoteError> {
        let wrong = Wrong::with(location);
        match location {
            Location::Web { url } => {
                Ok((self.web(url, HeaderMap::new(), &wrong)?, Path::default()))
            }
            Location::Object { scheme, bucket, key } => {
                let path = if location.is_glob() { Path::default() } else { parse(key, &wrong)? };
                Ok((self.bucket(*scheme, bucket, &wrong)?, path))
            }
            Location::Hub { .. } => Err(wrong.answer(&"a dataset of the hub is no store")),
        }
    }

    /// A store whose only file, under the empty path, is what `url` gives: so that a URL is asked for as it was
    /// written, with its query.
    pub fn web(
        &self,
        url: &str,
        headers: HeaderMap,
        wrong: &Wrong,
    ) -> Result<Arc<dyn ObjectStore>, RemoteError> {
        let options = self.options().with_default_headers(headers).with_allow_http(true);
        let client = self.web_client(&options).map_err(|error| wrong.of(error))?;
        let builder = HttpBuilder::new().with_url(url).with_retry(no_retries());
        let built =
            builder.with_client_options(options).with_http_connector(Shared(client)).build();
        Ok(Arc::new(built.map_err(|error| wrong.of(error))?))
    }

    fn web_client(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut known = self.web.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*known {
            return Ok(client.clone());
        }
        let client = ReqwestConnector::default().connect(options)?;
        *known = Some(client.clone());
        Ok(client)
    }

    fn bucket(
        &self,
        scheme: Scheme,
        bucket: &str,
        wrong: &Wrong,
    ) -> Result<Arc<dyn ObjectStore>, RemoteError> {
        let mut known = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (scheme, bucket.to_owned());
        if let Some(store) = known.get(&place) {
            return Ok(Arc::clone(store));
        }
        let store = from_environment(scheme, bucket).map_err(|error| wrong.of(error))?;
        known.insert(place, Arc::clone(&store));
        Ok(store)
    }

    fn options(&self) -> ClientOptions {
        let agent = HeaderValue::from_static(concat!("mixmake/", env!("CARGO_PKG_VERSION")));
        // A large file takes its time; what stalls is found by who reads it.
        ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(self.patience.connect)
            .with_user_agent(agent)
    }
}

/// A bucket with the credentials and the endpoint that the environment has, by the services' own names.
fn from_environment(scheme: Scheme, bucket: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    Ok(match scheme {
        Scheme::S3 => Arc::new(
            AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), NO_LIMIT)
                .with_retry(no_retries())
                .build()?,
        ),
        Scheme::Gs => Arc::new(
            GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), NO_LIMIT)
                .with_retry(no_retries())
                .build()?,
        ),
        Scheme::Az => Arc::new(
            MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), NO_LIMIT)
                .with_retry(no_retries())
                .build()?,
        ),
    })
}

/// For a whole request, which a large file may take long for; what stalls is found by who reads it.
const NO_LIMIT: &str = "7 days";

/// Tries are made here, where every one is checked against what is there already.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn parse(key: &str, wrong: &Wrong) -> Result<Path, RemoteError> {
    Path::parse(key).map_err(|error| wrong.answer(&error))
}

fn remote_file(url: String, meta: &ObjectMeta) -> RemoteFile {
    let identity = identity(meta.e_tag.as_deref(), meta.last_modified.timestamp());
    RemoteFile { url, bytes: meta.size, identity }
}

/// The outcome of a call that has to come within the patience.
pub async fn within<T>(
    patience: &Patience,
    wrong: &Wrong,
    call: impl Future<Output = T>,
) -> Result<T, RemoteError> {
    let outcome = tokio::time::timeout(patience.stall, call).await;
    outcome.map_err(|_| wrong.silent(patience.stall))
}

/// Gives the one client to every store.
#[derive(Clone)]
struct Shared(HttpClient);

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shared")
    }
}

impl HttpConnector for Shared {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
