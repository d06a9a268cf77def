//! Choosing: the documents of all parts of a domain, in one order, through the rules that compare documents, to the
//! samples of both splits. Knows the order of rules and splits; the rules are in modules of their own.

use std::collections::HashSet;
use std::path::PathBuf;

use rayon::prelude::*;

use super::cut;
use super::documents::{Document, Documents, Merged};
use super::dropped::{self, DropLog};
use super::extract::write_json;
use super::near::{NearDuplicates, Signature};
use super::ngrams::EvaluationTexts;
use super::spec::{Compare, HeldOut, SampleFiles, SelectSpec, Source};
use super::stats::{Account, Dropped, SamplesStats};
use crate::hash::leading;
use crate::progress::Meter;
use crate::samples::SamplesWriter;
use crate::{DataError, DocumentHash, Progress, Work};

/// Documents that are looked at together, so that the costly rules run on all threads.
const CHUNK: usize = 2048;

/// What there is to choose from and to compare with.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// What was read of the domain's files, in any order: [`super::DocumentFiles::documents`].
    pub documents: Vec<PathBuf>,
    /// Its accounts, in any order: [`super::DocumentFiles::account`].
    pub accounts: Vec<PathBuf>,
    /// Hashes of the documents of earlier domains ([`SampleFiles::hashes`]): such documents are dropped.
    pub earlier: Vec<PathBuf>,
    /// Texts that the samples must not share words with, where [`SelectSpec::decontaminate`] is set.
    pub evaluation: Vec<Source>,
}

/// Writes the samples of both splits, in increasing order of document hash, the statistics of the domain, and the list of
/// what was left out. Output bytes depend on the documents and `spec` alone, not on how they were spread over parts.
/// Memory: 32 bytes a document of earlier domains; about 20 a sample where blocks are compared; about 700 a document with
/// `near-duplicates`; the evaluation texts' runs of words.
///
/// Uses the threads of the current rayon pool. Errors: see [`DataError`].
pub fn select(
    selection: &Selection,
    spec: &SelectSpec,
    out: &SampleFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<SamplesStats, DataError> {
    spec.check()?;
    let mut account = Account::default();
    for path in &selection.accounts {
        account.add(&read_account(path)?);
    }
    let open = || selection.documents.iter().map(|path| Documents::open(path)).collect();
    choose(open, account, selection, spec, out, progress)
}

/// As [`select`], by a specification that was checked, from documents that `parts` gives and what was counted of them.
pub(super) fn choose(
    parts: impl FnOnce() -> Result<Vec<Documents>, DataError> + Send,
    account: Account,
    selection: &Selection,
    spec: &SelectSpec,
    out: &SampleFiles,
    progress: &mut dyn FnMut(Progress),
) -> Result<SamplesStats, DataError> {
    if let (Some(column), true) = (account.columns_unseen.first(), account.rows > 0) {
        return Err(DataError::FilterColumn { column: column.clone(), rows: account.rows });
    }
    let meter = Meter::new(account.documents, Work::Documents);
    meter.watch(progress, || run(&parts()?, selection, spec, out, account, &meter))
}

fn read_account(path: &std::path::Path) -> Result<Account, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|e| DataError::Documents { path: path.to_path_buf(), problem: e.to_string() })
}

fn run(
    parts: &[Documents],
    selection: &Selection,
    spec: &SelectSpec,
    out: &SampleFiles,
    account: Account,
    meter: &Meter,
) -> Result<SamplesStats, DataError> {
    let mut merged = Merged::new(parts)?;
    let rules = Rules::new(selection, spec)?;
    let mut chooser = Chooser::new(spec, out, account)?;
    let mut near = spec.near_duplicates.map(NearDuplicates::new);
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        while chunk.len() < CHUNK {
            let Some(document) = merged.next()? else { break };
            chunk.push(document);
        }
        if chunk.is_empty() {
            return chooser.finish(out);
        }
        let mut looked = rules.look_at(&chunk).into_iter();
        for document in &chunk {
            chooser.take(document, looked.next().unwrap_or_default(), near.as_mut())?;
        }
        meter.add(chunk.len() as u64);
        merged.release();
    }
}

/// The rules that look at one document at a time and so run on all threads.
struct Rules {
    near: bool,
    earlier: Vec<DocumentHash>,
    evaluation: Option<EvaluationTexts>,
}

/// What they found.
#[derive(Default)]
struct Look {
    earlier: bool,
    shared: Option<String>,
    signature: Option<Signature>,
}

impl Rules {
    fn new(selection: &Selection, spec: &SelectSpec) -> Result<Self, DataError> {
        let mut earlier = Vec::new();
        for path in &selection.earlier {
            let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
            earlier.extend(bytes.as_chunks::<32>().0);
        }
        earlier.sort_unstable();
        let read = |words| EvaluationTexts::read(&selection.evaluation, words);
        let evaluation = spec.decontaminate.map(read).transpose()?;
        Ok(Self { near: spec.near_duplicates.is_some(), earlier, evaluation })
    }

    /// A look a document, or none where there is no rule to look for.
    fn look_at(&self, documents: &[Document]) -> Vec<Look> {
        if !self.near && self.earlier.is_empty() && self.evaluation.is_none() {
            return Vec::new();
        }
        documents.par_iter().map(|document| self.look(document)).collect()
    }

    fn look(&self, document: &Document) -> Look {
        if self.earlier.binary_search(document.hash).is_ok() {
            return Look { earlier: true, ..Default::default() };
        }
        Look {
            earlier: false,
            shared: self.evaluation.as_ref().and_then(|texts| texts.shared(document.text)),
            signature: self.near.then(|| Signature::of(document.text)).flatten(),
        }
    }
}

/// Takes documents in order and writes those that stay.
struct Chooser<'s> {
    spec: &'s SelectSpec,
    stats: SamplesStats,
    train: SamplesWriter,
    held_out: SamplesWriter,
    /// Hash of the document before, kept or not.
    before: Option<DocumentHash>,
    /// Hash of the last document held out.
    last_held: Option<DocumentHash>,
    /// Texts of samples seen, where blocks are compared.
    blocks: HashSet<[u8; 16]>,
    /// Of all documents that stay, where a later domain compares with them.
    hashes: Option<Vec<DocumentHash>>,
    log: Log,
}

/// The list of what was left out, by source: documents come in the order of their hashes.
#[derive(Default)]
struct Log(std::collections::BTreeMap<String, Vec<(u64, &'static str, String)>>);

impl Log {
    fn note(&mut self, document: &Document, reason: &'static str, detail: String) {
        let rows = match self.0.get_mut(document.source) {
            Some(rows) => rows,
            None => self.0.entry(document.source.to_owned()).or_default(),
        };
        rows.push((document.row, reason, detail));
    }

    fn frames(self) -> Result<Vec<Vec<u8>>, std::io::Error> {
        let frame = |(source, mut rows): (String, Vec<(u64, &str, String)>)| {
            rows.sort();
            let mut log = DropLog::default();
            rows.iter()
                .try_for_each(|(row, reason, detail)| log.note(&source, *row, reason, detail))?;
            log.finish()
        };
        self.0.into_iter().map(frame).collect()
    }
}

impl<'s> Chooser<'s> {
    fn new(spec: &'s SelectSpec, out: &SampleFiles, account: Account) -> Result<Self, DataError> {
        let stats = SamplesStats {
            sources: account.sources,
            rows: account.rows,
            problems: account.problems,
            problem_examples: account.problem_examples,
            dropped: account.dropped,
            chars_read: account.chars_read,
            lengths: account.lengths,
            ..Default::default()
        };
        Ok(Self {
            spec,
            stats,
            train: SamplesWriter::create(&out.train)?,
            held_out: SamplesWriter::create(&out.held_out)?,
            before: None,
            last_held: None,
            blocks: HashSet::new(),
            hashes: out.hashes.is_some().then(Vec::new),
            log: Log::default(),
        })
    }

    fn take(
        &mut self,
        document: &Document,
        look: Look,
        near: Option<&mut NearDuplicates>,
    ) -> Result<(), DataError> {
        let repeats = self.before == Some(*document.hash);
        self.before = Some(*document.hash);
        self.stats.duplicates += u64::from(repeats);
        let dropped = self.rule(document, repeats, &look, near);
        match dropped {
            Some((reason, detail)) => {
                *counter(&mut self.stats.dropped, reason) += 1;
                self.log.note(document, reason, detail);
                Ok(())
            }
            None => self.keep(document),
        }
    }

    /// The first rule that drops the document, in this order.
    fn rule(
        &mut self,
        document: &Document,
        repeats: bool,
        look: &Look,
        near: Option<&mut NearDuplicates>,
    ) -> Option<(&'static str, String)> {
        if repeats && self.spec.drop_duplicates {
            return Some(("duplicates", "of the whole text".into()));
        }
        if look.earlier {
            return Some(("duplicates-across", "in an earlier domain".into()));
        }
        if let Some(words) = &look.shared {
            return Some(("decontaminate", words.clone()));
        }
        let one_sample = self.spec.every.is_none();
        if one_sample && self.compares_blocks() && !self.blocks.insert(identity(document.text)) {
            return Some(("duplicates", "of the block".into()));
        }
        let place = format!("{}:{}", document.source, document.row);
        let (near, signature) = (near?, look.signature.as_ref()?);
        let found = near.find_or_add(signature, &place)?;
        Some(("near-duplicates", found))
    }

    fn compares_blocks(&self) -> bool {
        self.spec.drop_duplicates && self.spec.duplicates_of == Compare::Block
    }

    fn keep(&mut self, document: &Document) -> Result<(), DataError> {
        if let Some(hashes) = &mut self.hashes {
            hashes.push(*document.hash);
        }
        let held = self.is_held_out(document.hash);
        if held {
            self.last_held = Some(*document.hash);
            self.stats.documents_held_out += 1;
        } else if self.spec.max_documents.is_some_and(|max| self.stats.documents_train >= max) {
            self.stats.dropped.max_documents += 1;
            self.log.note(document, "max-documents", String::new());
            return Ok(());
        } else {
            self.stats.documents_train += 1;
        }
        self.write(document, held)
    }

    fn is_held_out(&self, hash: &DocumentHash) -> bool {
        match self.spec.held_out {
            HeldOut::Documents(0) => false,
            HeldOut::Documents(n) => {
                self.stats.documents_held_out < n || self.last_held == Some(*hash)
            }
            HeldOut::Fraction(fraction) if fraction >= 1.0 => true,
            // 2^64 times the fraction, exactly; below 2^64 because the fraction is below 1.
            HeldOut::Fraction(fraction) => {
                leading(hash) < (fraction * 18_446_744_073_709_551_616.0) as u64
            }
        }
    }

    fn write(&mut self, document: &Document, held: bool) -> Result<(), DataError> {
        let compares = self.compares_blocks() && self.spec.every.is_some();
        for (at, text) in cut::blocks(self.spec, document.text) {
            if compares && !self.blocks.insert(identity(text)) {
                self.stats.duplicate_blocks += 1;
                let detail = format!("of the block at character {}", document.start + at);
                self.log.note(document, "duplicate-blocks", detail);
                continue;
            }
            let (writer, samples, chars) = if held {
                (
                    &mut self.held_out,
                    &mut self.stats.samples_held_out,
                    &mut self.stats.chars_held_out,
                )
            } else {
                (&mut self.train, &mut self.stats.samples_train, &mut self.stats.chars_train)
            };
            writer.push(text, document.source, document.row, document.start + at)?;
            *samples += 1;
            *chars += text.chars().count() as u64;
        }
        Ok(())
    }

    fn finish(self, out: &SampleFiles) -> Result<SamplesStats, DataError> {
        let stats = &self.stats;
        let documents = stats.documents_train + stats.documents_held_out;
        if documents == 0 {
            return Err(DataError::Empty {
                rows: stats.rows,
                dropped: stats.dropped.describe(stats.problems),
            });
        }
        if stats.documents_train == 0 && self.spec.held_out != HeldOut::Fraction(1.0) {
            return Err(DataError::HeldOutTakesAll {
                held_out: stats.documents_held_out,
                documents,
            });
        }
        self.train.finish()?;
        self.held_out.finish()?;
        if let (Some(path), Some(hashes)) = (&out.hashes, &self.hashes) {
            std::fs::write(path, hashes.as_flattened()).map_err(DataError::io("write", path))?;
        }
        let frames = self.log.frames().map_err(DataError::io("compress", &out.dropped))?;
        dropped::write(&out.dropped, frames)?;
        write_json(&out.stats, &self.stats)?;
        Ok(self.stats)
    }
}

fn counter<'d>(dropped: &'d mut Dropped, reason: &str) -> &'d mut u64 {
    match reason {
        "duplicates" => &mut dropped.duplicates,
        "duplicates-across" => &mut dropped.duplicates_across,
        "decontaminate" => &mut dropped.contaminated,
        _ => &mut dropped.near_duplicates,
    }
}

/// Half of a BLAKE3: enough to tell texts apart.
fn identity(text: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    half
}
