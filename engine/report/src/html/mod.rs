//! The study as one self-contained page: no script, no font, no request.
//!
//! Colour means a domain on the whole page, line style a training. Every figure has its numbers in
//! a table beside it. What each section shows is in `sections`, drawings in their own modules.

mod agreement;
mod change;
mod curves;
mod evidence;
mod fits;
mod intervals;
pub(crate) mod lengths;
mod names;
mod page;
mod scale;
mod sections;
mod slices;
mod style;
mod svg;
mod weights;

use crate::data::Study;
pub use evidence::html as evidence_html;
use page::Page;

/// One HTML page with the verdict, the tables and the figures of a study. It reads on light and
/// dark screens, on paper and at 400 pixels, and loads nothing.
pub fn html(study: &Study) -> String {
    let mut page = Page::new(&study.title);
    sections::verdict(&mut page, study);
    sections::held_out(&mut page, study);
    sections::curves(&mut page, study);
    sections::weights(&mut page, study);
    sections::fits(&mut page, study);
    sections::corpus(&mut page, study);
    sections::reading(&mut page, study);
    page.finish()
}
