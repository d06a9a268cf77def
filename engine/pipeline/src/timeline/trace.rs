//! A run as a trace that browsers' viewers open (Perfetto, `chrome://tracing`): the Trace Event
//! Format's JSON object, with complete events `X`, instants `i` and names of lanes `M`. Times are
//! microseconds since the run began.

use std::collections::HashSet;
use std::time::Duration;

use mixmake_core::Graph;
use serde_json::{Value, json};

use super::summary::critical_path;
use super::{End, Span, Timeline};

/// All events are of one process.
const PROCESS: u32 = 1;

/// The trace of a run; `graph` says which actions were on its critical path.
#[must_use]
pub fn trace(timeline: &Timeline, graph: &Graph) -> Value {
    let critical: HashSet<&str> =
        critical_path(timeline, graph).iter().map(|span| span.target.as_str()).collect();
    let lanes = timeline.spans.iter().map(|span| span.lane + 1).max().unwrap_or(0);
    let mut events = vec![named("process_name", 0, "mixmake run")];
    events.extend((0..lanes).map(|lane| named("thread_name", lane, &format!("slot {}", lane + 1))));
    let mut spans: Vec<_> = timeline.spans.iter().collect();
    spans.sort_by_key(|span| span.start);
    events.extend(spans.iter().map(|span| complete(span, critical.contains(span.target.as_str()))));
    events.extend(timeline.instants.iter().map(|instant| {
        json!({
            "name": instant.name, "ph": "i", "s": "p", "ts": micros(instant.at),
            "pid": PROCESS, "tid": 0,
        })
    }));
    json!({ "traceEvents": events, "displayTimeUnit": "ms" })
}

fn complete(span: &Span, is_critical: bool) -> Value {
    let end = match span.end_of {
        End::Finished => "finished",
        End::Failed => "failed",
        End::Stopped => "stopped",
    };
    json!({
        "name": span.target, "cat": span.kind, "ph": "X",
        "ts": micros(span.start), "dur": micros(span.duration()),
        "pid": PROCESS, "tid": span.lane,
        "args": { "key": span.key, "end": end, "critical-path": is_critical },
    })
}

fn named(what: &str, lane: usize, name: &str) -> Value {
    json!({ "name": what, "ph": "M", "pid": PROCESS, "tid": lane, "args": { "name": name } })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{graph, timeline};
    use super::*;

    #[test]
    fn every_action_is_a_complete_event() {
        let trace = trace(&timeline(), &graph());
        let events = trace["traceEvents"].as_array().expect("a list");
        let complete: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
        let times: Vec<_> = complete
            .iter()
            .map(|event| (event["name"].as_str(), event["ts"].as_u64(), event["dur"].as_u64()))
            .collect();
        assert_eq!(times[3], (Some("c"), Some(3_000_000), Some(2_000_000)));
        assert_eq!(times.len(), 4);
        let critical = complete.iter().filter(|event| event["args"]["critical-path"] == true);
        let critical: Vec<_> = critical.filter_map(|event| event["name"].as_str()).collect();
        assert_eq!(critical, ["b", "c"]);
        assert_eq!(events.iter().filter(|event| event["ph"] == "M").count(), 3);
    }
}
