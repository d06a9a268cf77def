//! Decontamination: runs of words that a text shares with evaluation texts, as GPT-3's authors did (13 words; Brown et al.
//! 2020, appendix C). Knows evaluation files only as sets of runs.

use std::collections::HashSet;

use super::read::every_text;
use super::spec::Source;
use super::words;
use crate::DataError;

/// All runs of words of the evaluation texts.
pub(crate) struct EvaluationTexts {
    words: usize,
    runs: HashSet<u64>,
}

impl EvaluationTexts {
    /// Reads every text in the files: all strings of JSON Lines and tables, plain files whole. Texts of fewer words have no
    /// run and drop nothing.
    pub fn read(sources: &[Source], words: u32) -> Result<Self, DataError> {
        let words = words as usize;
        let mut runs = HashSet::new();
        for source in sources {
            every_text(source, &mut |text| {
                let hashes = words::hashes(text);
                runs.extend(hashes.windows(words).map(words::run));
            })?;
        }
        Ok(Self { words, runs })
    }

    /// Where a text shares a run with them, in words: the first.
    pub fn shared(&self, text: &str) -> Option<String> {
        let hashes = words::hashes(text);
        let at = hashes.windows(self.words).position(|run| self.runs.contains(&words::run(run)))?;
        Some(format!("words {} to {} are in an evaluation text", at + 1, at + self.words))
    }
}
