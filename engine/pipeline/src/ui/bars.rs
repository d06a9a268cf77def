//! Bars on a terminal: one a running action, with its rate and the time left, and one for the run.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mixmake_core::event::{Event, Progress};

use super::{Display, amount, seconds};

const TICK: Duration = Duration::from_millis(250);

pub struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    running: HashMap<String, ProgressBar>,
    color: bool,
}

impl Bars {
    pub fn new(color: bool) -> Self {
        let all = MultiProgress::new();
        let run = all.add(ProgressBar::new(0));
        run.set_style(style("{msg} {wide_bar} {pos}/{len} actions, {elapsed_precise}"));
        Self { all, run, running: HashMap::new(), color }
    }

    fn say(&self, text: &str) {
        // Not through `MultiProgress::println`, which says nothing where bars are hidden.
        self.all.suspend(|| eprintln!("{text}"));
    }

    fn tick_mark(&self, mark: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark.to_owned() }
    }

    fn start(&mut self, target: &str) {
        let bar = self.all.insert_before(&self.run, ProgressBar::new(0));
        bar.set_style(style("  {spinner} {prefix:28!} {elapsed}"));
        bar.set_prefix(target.to_owned());
        bar.enable_steady_tick(TICK);
        self.running.insert(target.to_owned(), bar);
    }

    fn progress(&mut self, target: &str, progress: &Progress) {
        let Some(bar) = self.running.get(target) else { return };
        if bar.length() != Some(progress.total) || bar.position() == 0 {
            bar.set_style(style("  {spinner} {prefix:28!} {bar:20} {percent:>3} % {msg}"));
            bar.set_length(progress.total);
        }
        bar.set_position(progress.done);
        let rate = progress.done as f64 / bar.elapsed().as_secs_f64().max(1e-3);
        let left = progress.total.saturating_sub(progress.done) as f64 / rate.max(1e-9);
        let note =
            if progress.note.is_empty() { String::new() } else { format!(", {}", progress.note) };
        let unit = &progress.unit;
        bar.set_message(format!("{} {unit}/s, {} left{note}", amount(rate), seconds(left)));
    }

    fn end(&mut self, target: &str) {
        if let Some(bar) = self.running.remove(target) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.run.inc(1);
    }
}

impl Display for Bars {
    fn show(&mut self, event: &Event) {
        match event {
            Event::RunStarted { pending, expected_seconds, .. } => {
                self.run.inc_length(*pending as u64);
                if *expected_seconds > 0.0 {
                    self.run.set_message(format!("about {}", seconds(*expected_seconds)));
                }
                self.run.enable_steady_tick(TICK);
            }
            Event::ActionStarted { target, .. } => self.start(target),
            Event::ActionProgress { target, progress } => self.progress(target, progress),
            Event::ActionCutOff { target, .. } => {
                self.run.inc(1);
                self.say(&format!(
                    "{} {target}: its result is there already",
                    self.tick_mark("=", "36")
                ));
            }
            Event::ActionFinished { target, seconds: took, .. } => {
                self.end(target);
                self.say(&format!("{} {target} in {}", self.tick_mark("✓", "32"), seconds(*took)));
            }
            Event::ActionHeld { target, holder } => {
                self.say(&format!("  {target}: another run on {holder} does it; waiting"));
            }
            Event::ActionFailed { target, message, hint, log, .. } => {
                self.end(target);
                let words = super::words::failure(target, message, hint.as_deref(), log);
                self.say(&format!("{} {words}", self.tick_mark("✗", "31")));
            }
            Event::RunStopping { running } => self.say(&super::words::stopping(*running)),
            // The bar goes when the display does.
            Event::RunFinished { .. } => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.run.finish_and_clear();
        let _ = self.all.clear();
    }
}

/// Templates are constants of this file; a wrong one falls back to the default bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
