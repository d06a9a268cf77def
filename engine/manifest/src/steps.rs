//! What steps read of each other: `step.NAME/OUTPUT`, or a glob of such, to the outputs it means,
//! and from those the order in which steps can run.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use globset::GlobBuilder;

use crate::document::Document;
use crate::schema::{StepInput, StepOutput};
use crate::tree::Span;

const PREFIX: &str = "step.";

/// Whether a path speaks of a step's output; `./step.a/b` is a file.
pub fn is_reference(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.contains('/'))
}

/// Every output of every step, by name.
pub struct Outputs<'a, T> {
    steps: Vec<(&'a str, &'a [T])>,
    by_name: HashMap<&'a str, usize>,
}

/// Why a reference means no output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmatched {
    NoStep(String),
    NoOutput { step: usize },
    NoMatch,
    BadGlob(String),
}

impl<'a, T: AsRef<str>> Outputs<'a, T> {
    pub fn new(steps: impl Iterator<Item = (&'a str, &'a [T])>) -> Self {
        let steps: Vec<_> = steps.collect();
        let by_name = steps.iter().enumerate().map(|(step, (name, _))| (*name, step)).collect();
        Self { steps, by_name }
    }

    /// The outputs that a reference means, at least one.
    pub fn matching(&self, reference: &str) -> Result<Vec<StepOutput>, Unmatched> {
        if reference.contains(['*', '?', '[', '{']) {
            return self.matching_glob(reference);
        }
        let rest = reference.strip_prefix(PREFIX).unwrap_or(reference);
        let (name, output) = rest.split_once('/').unwrap_or((rest, ""));
        let no_step = || Unmatched::NoStep(name.to_owned());
        let step = *self.by_name.get(name).ok_or_else(no_step)?;
        let outputs = self.steps[step].1;
        let place = outputs.iter().position(|made| made.as_ref() == output);
        let output = place.ok_or(Unmatched::NoOutput { step })?;
        Ok(vec![StepOutput { step, output }])
    }

    fn matching_glob(&self, reference: &str) -> Result<Vec<StepOutput>, Unmatched> {
        let glob = GlobBuilder::new(reference).literal_separator(true).build();
        let matcher =
            glob.map_err(|error| Unmatched::BadGlob(error.kind().to_string()))?.compile_matcher();
        let mut found = Vec::new();
        for (step, (name, outputs)) in self.steps.iter().enumerate() {
            for (output, made) in outputs.iter().enumerate() {
                if matcher.is_match(format!("{PREFIX}{name}/{}", made.as_ref())) {
                    found.push(StepOutput { step, output });
                }
            }
        }
        if found.is_empty() { Err(Unmatched::NoMatch) } else { Ok(found) }
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.steps.iter().map(|(name, _)| *name)
    }

    pub fn of(&self, step: usize) -> impl Iterator<Item = &'a str> {
        self.steps[step].1.iter().map(AsRef::as_ref)
    }
}

/// The steps of a document, with what they read; places are those of the file.
#[derive(Debug)]
pub struct Wiring {
    pub inputs: Vec<Vec<StepInput>>,
    /// An order in which every step follows those it reads from; a cycle is not in it.
    pub order: Vec<usize>,
    /// References that mean nothing: the step, the input's place and the reason.
    pub unmatched: Vec<(usize, Span, String, Unmatched)>,
    /// A cycle, if there is one: each reads from the next, the last from the first.
    pub ring: Vec<usize>,
}

impl Wiring {
    pub fn of(document: &Document) -> Self {
        let outputs = made(document);
        let index = outputs_of(document, &outputs);
        let mut wiring =
            Self { inputs: Vec::new(), order: Vec::new(), unmatched: Vec::new(), ring: Vec::new() };
        for (step, section) in document.all("step").iter().enumerate() {
            let mut inputs = Vec::new();
            for (place, input) in
                section.texts("inputs").unwrap_or_default().into_iter().enumerate()
            {
                if !is_reference(&input.value) {
                    inputs.push(StepInput::Files { pattern: input.value, place });
                    continue;
                }
                match index.matching(&input.value) {
                    Ok(found) => inputs.extend(found.into_iter().map(StepInput::Output)),
                    Err(why) => wiring.unmatched.push((step, input.span, input.value, why)),
                }
            }
            wiring.inputs.push(inputs);
        }
        wiring.sort();
        wiring
    }

    fn producers(&self, step: usize) -> impl Iterator<Item = usize> {
        self.inputs[step].iter().filter_map(|input| match input {
            StepInput::Output(output) => Some(output.step),
            StepInput::Files { .. } => None,
        })
    }

    /// Kahn's algorithm; of those that could follow, the first of the file does.
    fn sort(&mut self) {
        let count = self.inputs.len();
        let (mut waits, mut readers) = (vec![0_usize; count], vec![Vec::new(); count]);
        for (step, wait) in waits.iter_mut().enumerate() {
            for producer in self.producers(step) {
                *wait += 1;
                readers[producer].push(step);
            }
        }
        let free = (0..count).filter(|step| waits[*step] == 0).map(Reverse);
        let mut free: BinaryHeap<_> = free.collect();
        while let Some(Reverse(step)) = free.pop() {
            self.order.push(step);
            for &reader in &readers[step] {
                waits[reader] -= 1;
                if waits[reader] == 0 {
                    free.push(Reverse(reader));
                }
            }
        }
        if let Some(start) = (0..count).find(|step| waits[*step] > 0) {
            self.ring = self.find_ring(start, &waits);
        }
    }

    /// Every step that waits reads from one that waits, so walking up must meet itself.
    fn find_ring(&self, start: usize, waits: &[usize]) -> Vec<usize> {
        let mut trail = vec![start];
        let mut place = HashMap::from([(start, 0)]);
        loop {
            let here = trail[trail.len() - 1];
            let Some(next) = self.producers(here).find(|step| waits[*step] > 0) else {
                return Vec::new();
            };
            if let Some(first) = place.insert(next, trail.len()) {
                return trail.split_off(first);
            }
            trail.push(next);
        }
    }
}

/// The outputs of every step of a document, in its order.
pub fn made(document: &Document) -> Vec<Vec<String>> {
    let texts = |section: &crate::document::Section| {
        let outputs = section.texts("outputs").unwrap_or_default();
        outputs.into_iter().map(|output| output.value).collect()
    };
    document.all("step").iter().map(texts).collect()
}

/// The index of `outputs`, which are those of [`made`].
pub fn outputs_of<'a>(document: &'a Document, outputs: &'a [Vec<String>]) -> Outputs<'a, String> {
    let sections = document.all("step").iter();
    Outputs::new(sections.zip(outputs).map(|(section, made)| (section.name.as_str(), &made[..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (path, expected) in
            [("step.a/b", true), ("step.a", false), ("./step.a/b", false), ("steps/a", false)]
        {
            assert_eq!(is_reference(path), expected, "{path}");
        }
        let (one, two) = (["x.jsonl".to_owned(), "log".to_owned()], ["x.jsonl".to_owned()]);
        let outputs = Outputs::new([("one", &one[..]), ("two", &two[..])].into_iter());
        let check = |reference: &str, expected: Result<&[(usize, usize)], Unmatched>| {
            let found = outputs.matching(reference);
            let found = found
                .map(|all| all.iter().map(|found| (found.step, found.output)).collect::<Vec<_>>());
            assert_eq!(found, expected.map(<[_]>::to_vec), "{reference}");
        };
        check("step.one/log", Ok(&[(0, 1)]));
        check("step.*/x.jsonl", Ok(&[(0, 0), (1, 0)]));
        check("step.one/*", Ok(&[(0, 0), (0, 1)]));
        check("step.three/x", Err(Unmatched::NoStep("three".into())));
        check("step.two/log", Err(Unmatched::NoOutput { step: 1 }));
        check("step.two/*.csv", Err(Unmatched::NoMatch));
        assert!(matches!(outputs.matching("step.[/x"), Err(Unmatched::BadGlob(_))));
    }
}
