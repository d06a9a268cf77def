//! Tables and figures of a mixture study: text for terminals, Markdown, JSON, and one
//! self-contained page for browsers.
//!
//! Pure: a [`data::Study`] in, a string out, the same bytes every time. Knows nothing of stores,
//! files, clocks or how a number came about, and never fails: whatever is missing or not finite
//! is shown as `—`.

pub mod data;
pub mod evidence;
mod figure_tables;
mod grid;
mod html;
mod json;
mod markdown;
mod number;
mod outcome;
mod prose;
mod tables;
mod text;
mod verdict;

pub use html::{evidence_html, html};
pub use json::json;
pub use markdown::markdown;
pub use text::table;
