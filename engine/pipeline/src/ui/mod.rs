//! How a run is shown: bars on a terminal, plain lines elsewhere, JSON lines for programs.
//! Displays consume events and know nothing of how they come about.

mod bars;
mod json;
mod lines;
pub mod text;
mod words;

use std::io::{IsTerminal, Write};

use mixmake_core::event::Event;

pub use words::{amount, seconds};

use crate::cli::Global;

/// Something that shows a run.
pub trait Display {
    fn show(&mut self, event: &Event);
}

/// The display that flags and terminal ask for.
#[must_use]
pub fn display(global: &Global) -> Box<dyn Display> {
    let stderr = std::io::stderr().is_terminal();
    if global.json {
        Box::new(json::Json)
    } else if global.quiet {
        Box::new(lines::Lines::quiet())
    } else if stderr {
        Box::new(bars::Bars::new(color(true)))
    } else {
        Box::new(lines::Lines::new(global.verbose > 0))
    }
}

/// Whether to colour, given whether the stream is a terminal; `NO_COLOR` decides against.
#[must_use]
pub fn color(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a result to standard output. A reader that left (`| head`) is no error.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", text.trim_end_matches('\n'));
}

/// Columns of the terminal, 80 elsewhere.
#[must_use]
pub fn width() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80),
    }
}
