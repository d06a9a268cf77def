//! Where a run's time went: by kind, by action, and along the critical path, which no number of
//! `-j` can shorten.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mixmake_core::Graph;

use super::{Span, Timeline};
use crate::ui::seconds;

/// How many actions are listed.
const LISTED: usize = 10;

/// The summary, for people.
#[must_use]
pub fn summary(timeline: &Timeline, graph: &Graph) -> String {
    if timeline.spans.is_empty() {
        return "no action ran, so no time went anywhere".to_owned();
    }
    let work: Duration = timeline.spans.iter().map(Span::duration).sum();
    let clock = timeline.end.as_secs_f64();
    let mut text = format!(
        "{} on the clock, {} of actions, {:.1} at once\n",
        seconds(clock),
        seconds(work.as_secs_f64()),
        work.as_secs_f64() / clock.max(1e-9),
    );
    text.push_str(&by_kind(timeline, work));
    let mut slowest: Vec<_> = timeline.spans.iter().collect();
    slowest.sort_by_key(|span| std::cmp::Reverse(span.duration()));
    text.push_str(&listed("slowest", &slowest));
    let path = critical_path(timeline, graph);
    let length: Duration = path.iter().map(|span| span.duration()).sum();
    let title = format!(
        "critical path: {} in {} actions; no `-j` is faster",
        seconds(length.as_secs_f64()),
        path.len()
    );
    text.push_str(&listed(&title, &path));
    text.trim_end().to_owned()
}

fn by_kind(timeline: &Timeline, work: Duration) -> String {
    let mut kinds: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
    for span in &timeline.spans {
        let kind = kinds.entry(&span.kind).or_default();
        *kind = (kind.0 + 1, kind.1 + span.duration());
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (_, time))| std::cmp::Reverse(*time));
    let width = kinds.iter().map(|(kind, _)| kind.len()).max().unwrap_or(0);
    let line = |(kind, (count, time)): &(&str, (usize, Duration))| {
        let share = 100.0 * time.as_secs_f64() / work.as_secs_f64().max(1e-9);
        format!("  {kind:width$}  {count:5}  {share:3.0} %  {}\n", seconds(time.as_secs_f64()))
    };
    format!("by kind\n{}", kinds.iter().map(line).collect::<String>())
}

fn listed(title: &str, spans: &[&Span]) -> String {
    let shown = &spans[..spans.len().min(LISTED)];
    let width = shown.iter().map(|span| span.target.chars().count()).max().unwrap_or(0);
    let line = |span: &&Span| {
        format!("  {:width$}  {}\n", span.target, seconds(span.duration().as_secs_f64()))
    };
    let more = match spans.len() - shown.len() {
        0 => String::new(),
        more => format!("  and {more} more\n"),
    };
    format!("{title}\n{}{more}", shown.iter().map(line).collect::<String>())
}

/// The chain of actions, each reading from the one before, whose times sum to the most.
#[must_use]
pub fn critical_path<'t>(timeline: &'t Timeline, graph: &Graph) -> Vec<&'t Span> {
    let spans: HashMap<&str, &Span> =
        timeline.spans.iter().map(|span| (span.target.as_str(), span)).collect();
    let mut longest = vec![Duration::ZERO; graph.len()];
    let mut before = vec![None; graph.len()];
    let mut last = None;
    for id in graph.ids() {
        let slowest = graph.producers(id).into_iter().max_by_key(|producer| longest[producer.0]);
        before[id.0] = slowest;
        longest[id.0] = slowest.map_or(Duration::ZERO, |producer| longest[producer.0]);
        if let Some(span) = spans.get(graph.action(id).target.as_str()) {
            longest[id.0] += span.duration();
            if last.is_none_or(|last: mixmake_core::ActionId| longest[id.0] > longest[last.0]) {
                last = Some(id);
            }
        }
    }
    let mut path = Vec::new();
    while let Some(id) = last {
        path.extend(spans.get(graph.action(id).target.as_str()).copied());
        last = before[id.0];
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::super::tests::{graph, timeline};
    use super::*;

    #[test]
    fn the_critical_path_is_the_longest_chain() {
        let timeline = timeline();
        let path = critical_path(&timeline, &graph());
        assert_eq!(path.iter().map(|span| &*span.target).collect::<Vec<_>>(), ["b", "c"]);
        let text = summary(&timeline, &graph());
        for words in ["5.0 s on the clock", "7.0 s of actions, 1.4 at once", "critical path: 5.0 s"]
        {
            assert!(text.contains(words), "no `{words}` in\n{text}");
        }
    }

    #[test]
    fn a_run_without_work_says_so() {
        assert!(summary(&Timeline::default(), &graph()).contains("no action ran"));
    }
}
