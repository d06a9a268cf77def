//! One JSON object an event, on standard output.

use mixmake_core::event::Event;

use super::Display;

pub struct Json;

impl Display for Json {
    fn show(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            super::print(&line);
        }
    }
}
