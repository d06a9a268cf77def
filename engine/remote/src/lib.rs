//! Files that are elsewhere: on web servers, in object stores (`s3://`, `gs://`, `az://`) and in datasets of the
//! Hugging Face hub (`hf://datasets/OWNER/NAME@REVISION/PATH`).
//!
//! [`Client::list`] says which files a location stands for and what tells their contents apart, [`Client::download`]
//! brings the bytes of one, resumably and checked. Knows nothing of tokens, manifests or stores of results.
//!
//! Credentials come from the environment alone, by the names that each service's own tools use; they are in no
//! value and no message of this crate. Without the feature `network` everything but [`Client`] is there.

mod error;
mod file;
mod location;
#[cfg(feature = "network")]
mod network;

pub use error::RemoteError;
pub use file::{Identity, RemoteFile};
pub use location::{Location, LocationError, Scheme, is_url};
#[cfg(feature = "network")]
pub use network::{Client, Listing, Patience, Wanted};
