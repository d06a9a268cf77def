//! One JSON object an event, on standard output.

use mixmake_core::event::Event;

use super::Display;
use crate::stream::Timed;

pub struct Json;

impl Display for Json {
    fn show(&mut self, event: &Event) {
        super::print(&Timed::now(event.clone()).to_text());
    }
}
