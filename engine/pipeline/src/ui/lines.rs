//! Plain lines: for logs, pipes and continuous integration.

use std::time::{Duration, Instant};

use mixmake_core::event::Event;

use super::{Display, seconds};

/// Between two lines about the progress of the same action.
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

pub struct Lines {
    quiet: bool,
    verbose: bool,
    pending: usize,
    ended: usize,
    last_progress: Instant,
}

impl Lines {
    pub fn new(verbose: bool) -> Self {
        Self { quiet: false, verbose, pending: 0, ended: 0, last_progress: Instant::now() }
    }

    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::new(false) }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    fn ended(&mut self, text: &str) {
        self.ended += 1;
        self.say(&format!("[{}/{}] {text}", self.ended, self.pending));
    }
}

impl Display for Lines {
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { pending, .. } => self.pending += pending,
            Event::ActionStarted { target, .. } if self.verbose => {
                self.say(&format!("start {target}"))
            }
            Event::ActionStarted { .. } => {}
            Event::ActionProgress { target, progress } => {
                if self.last_progress.elapsed() >= PROGRESS_EVERY {
                    self.last_progress = Instant::now();
                    let percent = 100.0 * progress.done as f64 / progress.total.max(1) as f64;
                    self.say(&format!("      {target}: {percent:.0} % {}", progress.note));
                }
            }
            Event::ActionCutOff { target, .. } => {
                self.ended(&format!("{target}: its result is there already"));
            }
            Event::ActionFinished { target, seconds: took, .. } => {
                self.ended(&format!("{target} in {}", seconds(*took)));
            }
            Event::ActionHeld { target, holder } => {
                self.say(&format!("      {target}: another run on {holder} does it; waiting"));
            }
            Event::ActionFailed { target, message, hint, log, .. } => {
                eprintln!("{}", super::words::failure(target, message, hint.as_deref(), log));
                self.ended += 1;
            }
            Event::RunStopping { running } => self.say(&super::words::stopping(*running)),
            Event::RunFinished { .. } => {}
        }
    }
}
