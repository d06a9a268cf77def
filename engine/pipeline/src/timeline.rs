//! When every action of a run started and ended, from its events: what a trace and the summary of
//! a run are made of.

mod summary;
mod trace;

use std::time::Duration;

use mixmake_core::event::Event;

pub use summary::summary;
pub use trace::trace;

/// One action's time on the clock, since the run began.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub target: String,
    pub kind: String,
    pub key: String,
    pub start: Duration,
    pub end: Duration,
    /// Actions of one lane never overlap: as many lanes as ran at once.
    pub lane: usize,
    pub end_of: End,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Finished,
    Failed,
    /// The run stopped first.
    Stopped,
}

/// Something that took no time of this run's.
#[derive(Debug, Clone, PartialEq)]
pub struct Instant {
    pub name: String,
    pub at: Duration,
}

/// What happened when.
#[derive(Debug, Default)]
pub struct Timeline {
    pub spans: Vec<Span>,
    pub instants: Vec<Instant>,
    /// Spans that have not ended, by lane.
    running: Vec<Option<Span>>,
    pub end: Duration,
}

impl Timeline {
    /// Takes note of an event that came `at` so long after the run began.
    pub fn see(&mut self, at: Duration, event: &Event) {
        self.end = self.end.max(at);
        match event {
            Event::ActionStarted { target, kind, key } => {
                let lane = self.free_lane();
                self.running[lane] = Some(Span {
                    target: target.clone(),
                    kind: kind.clone(),
                    key: key.to_hex(),
                    start: at,
                    end: at,
                    lane,
                    end_of: End::Stopped,
                });
            }
            Event::ActionFinished { target, .. } => self.ended(target, at, End::Finished),
            Event::ActionFailed { target, .. } => self.ended(target, at, End::Failed),
            Event::ActionCutOff { target, .. } => {
                // One that had started found that another run had made its result.
                self.forget(target);
                self.instants.push(Instant { name: format!("{target}: cut off"), at });
            }
            Event::ActionHeld { target, .. } => {
                self.forget(target);
                let name = format!("{target}: another run does it");
                self.instants.push(Instant { name, at });
            }
            _ => {}
        }
    }

    /// Ends what a stopped run left unfinished.
    pub fn close(&mut self) {
        for mut span in std::mem::take(&mut self.running).into_iter().flatten() {
            span.end = self.end;
            self.spans.push(span);
        }
    }

    fn free_lane(&mut self) -> usize {
        let free = self.running.iter().position(Option::is_none);
        free.unwrap_or_else(|| {
            self.running.push(None);
            self.running.len() - 1
        })
    }

    fn take(&mut self, target: &str) -> Option<Span> {
        let is_it =
            |span: &&mut Option<Span>| span.as_ref().is_some_and(|span| span.target == target);
        self.running.iter_mut().find(is_it)?.take()
    }

    fn ended(&mut self, target: &str, at: Duration, end_of: End) {
        if let Some(span) = self.take(target) {
            self.spans.push(Span { end: at, end_of, ..span });
        }
    }

    fn forget(&mut self, target: &str) {
        self.take(target);
    }
}

impl Span {
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use mixmake_core::{Action, Cost, Graph, Input, Key, Kind, OutputSpec, Source};
    use serde_json::Map;

    /// `a` and `b` feed `c`; `d` stands alone.
    pub fn graph() -> Graph {
        let mut graph = Graph::default();
        let mut add = |target: &str, reads: &[usize]| {
            let input = |action: &usize| Input {
                role: "input",
                source: Source::output(mixmake_core::ActionId(*action), "out"),
                attributes: Map::new(),
            };
            let action = Action {
                target: target.to_owned(),
                kind: Kind { name: "step", version: 1 },
                params: Map::new(),
                inputs: reads.iter().map(input).collect(),
                outputs: vec![OutputSpec::new("out")],
                cost: Cost::Light,
                threads: 1,
                pool: None,
                origins: std::collections::BTreeMap::new(),
            };
            graph.add(action).expect("it fits");
        };
        add("a", &[]);
        add("b", &[]);
        add("c", &[0, 1]);
        add("d", &[]);
        graph
    }

    /// On two lanes: `a` 1 s, `b` 3 s beside `d` 1 s, `c` 2 s.
    pub fn timeline() -> Timeline {
        let mut timeline = Timeline::default();
        let key = Key::from_bytes([7; 32]);
        let mut see = |at: u64, target: &str, starts: bool| {
            let target = target.to_owned();
            let event = if starts {
                Event::ActionStarted { target, kind: "step".to_owned(), key }
            } else {
                Event::ActionFinished { target, key, seconds: 0.0 }
            };
            timeline.see(Duration::from_secs(at), &event);
        };
        for (at, target, starts) in [
            (0, "a", true),
            (0, "b", true),
            (1, "a", false),
            (1, "d", true),
            (2, "d", false),
            (3, "b", false),
            (3, "c", true),
            (5, "c", false),
        ] {
            see(at, target, starts);
        }
        timeline.close();
        timeline
    }

    #[test]
    fn a_lane_holds_one_action_at_a_time() {
        let timeline = timeline();
        let lanes: Vec<_> =
            timeline.spans.iter().map(|span| (span.target.as_str(), span.lane)).collect();
        assert_eq!(lanes, [("a", 0), ("d", 0), ("b", 1), ("c", 0)]);
        assert_eq!(timeline.end, Duration::from_secs(5));
    }

    #[test]
    fn what_was_stopped_ends_with_the_run() {
        let mut timeline = Timeline::default();
        let key = Key::from_bytes([7; 32]);
        let started = |target: &str| Event::ActionStarted {
            target: target.to_owned(),
            kind: "step".to_owned(),
            key,
        };
        timeline.see(Duration::from_secs(1), &started("a"));
        timeline.see(Duration::from_secs(2), &started("b"));
        let cut_off = Event::ActionCutOff { target: "b".to_owned(), key };
        timeline.see(Duration::from_secs(4), &cut_off);
        timeline.close();
        let ended: Vec<_> =
            timeline.spans.iter().map(|span| (&*span.target, span.end_of)).collect();
        assert_eq!(ended, [("a", End::Stopped)]);
        assert_eq!(timeline.spans[0].duration(), Duration::from_secs(3));
        assert_eq!(timeline.instants.len(), 1);
    }
}
