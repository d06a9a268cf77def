//! Which column is what: as the flags say, else by the names that tables of mixtures usually have.

use mixmake_manifest::suggest::nearest;

use super::super::TableError;
use super::pattern::{Pattern, patterns};
use super::sources::{ColumnRef, Sources};

/// What the flags say of columns; recognised where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct RoleFlags {
    pub weights: Option<String>,
    pub amounts: Option<String>,
    pub losses: Option<String>,
    pub perplexities: Option<String>,
    pub tokens: Option<String>,
    pub size: Option<String>,
    pub seed: Option<String>,
}

/// A column about a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainColumn {
    pub column: ColumnRef,
    pub domain: String,
}

/// A column of values of a validation domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub column: ColumnRef,
    pub domain: String,
    /// Perplexities, not cross-entropies.
    pub is_perplexity: bool,
}

/// What the mixture columns hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MixtureKind {
    Weights,
    Amounts,
}

/// Every column with its role.
#[derive(Debug, Clone)]
pub struct Roles {
    pub kind: MixtureKind,
    pub mixture: Vec<DomainColumn>,
    pub targets: Vec<Target>,
    pub tokens: Option<ColumnRef>,
    pub size: Option<ColumnRef>,
    pub seed: Option<ColumnRef>,
    /// Names of columns that have none.
    pub unused: Vec<String>,
}

const WEIGHTS: [&str; 8] =
    ["weight_*", "weights_*", "weight:*", "weight.*", "*_weight", "w_*", "mixture_*", "train_*"];
const AMOUNTS: [&str; 5] = ["tokens:*", "tokens_*", "amount_*", "amounts_*", "*_tokens"];
const LOSSES: [&str; 7] =
    ["*_loss", "loss_*", "loss:*", "*_cross_entropy", "cross_entropy_*", "*_nll", "nll_*"];
const PERPLEXITIES: [&str; 6] =
    ["*_ppl", "ppl_*", "ppl:*", "*_perplexity", "perplexity_*", "perplexity:*"];
const TOKENS: [&str; 6] =
    ["tokens", "total_tokens", "training_tokens", "train_tokens", "n_tokens", "total"];
const SIZES: [&str; 7] =
    ["size", "model_size", "parameters", "params", "n_params", "n_parameters", "model_params"];
const SEEDS: [&str; 1] = ["seed"];
/// Words around a validation domain's name that are no part of it.
const LOSS_WORDS: [&str; 10] = [
    "metric/*",
    "metrics/*",
    "eval/*",
    "val/*",
    "*_val",
    "*_valid",
    "*_validation",
    "*_eval",
    "val_*",
    "eval_*",
];
/// Averages over validation domains, which would be counted twice.
const AVERAGES: [&str; 4] = ["mean", "average", "avg", "macro"];

/// Gives every column a role.
///
/// # Errors
/// A flag that no column matches, no mixture or loss columns, or one domain twice.
pub fn roles(sources: &Sources, flags: &RoleFlags) -> Result<Roles, TableError> {
    let mut free = sources.columns();
    free.retain(|column| Some(*column) != sources.key);
    let named = |flag, given: &Option<String>, usual: &[&str], free: &mut Vec<ColumnRef>| {
        take_named(sources, flag, given.as_deref(), usual, free)
    };
    let tokens = named("--tokens-column", &flags.tokens, &TOKENS, &mut free)?;
    let size = named("--size-column", &flags.size, &SIZES, &mut free)?;
    let seed = named("--seed-column", &flags.seed, &SEEDS, &mut free)?;
    let targets = targets(sources, flags, &mut free)?;
    let (kind, mixture) = mixture(sources, flags, &mut free)?;
    let unused = free.iter().map(|column| sources.name(*column).to_owned()).collect();
    Ok(Roles { kind, mixture, targets, tokens, size, seed, unused })
}

/// The column that a flag names, else the first of the usual names.
fn take_named(
    sources: &Sources,
    flag: &'static str,
    given: Option<&str>,
    usual: &[&str],
    free: &mut Vec<ColumnRef>,
) -> Result<Option<ColumnRef>, TableError> {
    let find = |name: &str| {
        free.iter().position(|column| sources.name(*column).eq_ignore_ascii_case(name))
    };
    let place = match given {
        Some(name) => Some(find(name).ok_or_else(|| no_match(sources, flag, name))?),
        None => usual.iter().find_map(|name| find(name)),
    };
    Ok(place.map(|place| free.remove(place)))
}

fn no_match(sources: &Sources, flag: &'static str, value: &str) -> TableError {
    let columns = sources.columns();
    let names = columns.iter().map(|column| sources.name(*column));
    let near = nearest(value, names).map(|name| format!("; is `{name}` it?")).unwrap_or_default();
    TableError::Flag {
        flag,
        value: value.to_owned(),
        problem: format!("`{}` has no such column{near}", sources.title()),
    }
}

/// Free columns that match a flag's patterns, or the first of the usual ones that has enough (`weight_decay` alone
/// is no mixture); they are no longer free.
fn take_matching(
    sources: &Sources,
    (flag, given): (&'static str, Option<&str>),
    (usual, least): (&[&str], usize),
    free: &mut Vec<ColumnRef>,
) -> Result<Vec<DomainColumn>, TableError> {
    let read = |text: &str| {
        patterns(text).map_err(|problem| TableError::Flag { flag, value: text.to_owned(), problem })
    };
    let wanted = match given {
        Some(text) => read(text)?,
        None => usual.iter().filter_map(|text| Pattern::new(text).ok()).collect(),
    };
    let mut found = Vec::new();
    for pattern in &wanted {
        let about = |&column: &ColumnRef| {
            let domain = pattern.domain(sources.name(column))?.to_owned();
            Some(DomainColumn { column, domain })
        };
        let matched: Vec<DomainColumn> = free.iter().filter_map(about).collect();
        if given.is_none() && matched.len() < least {
            continue;
        }
        free.retain(|column| matched.iter().all(|each| each.column != *column));
        found.extend(matched);
        // Of the usual ways to write them a table has one.
        if given.is_none() {
            break;
        }
    }
    match given {
        Some(text) if found.is_empty() => Err(no_match(sources, flag, text)),
        _ => Ok(found),
    }
}

fn targets(
    sources: &Sources,
    flags: &RoleFlags,
    free: &mut Vec<ColumnRef>,
) -> Result<Vec<Target>, TableError> {
    let given = flags.losses.is_some() || flags.perplexities.is_some();
    let usual = |names: &'static [&'static str]| if given { &[] } else { names };
    let mut found = Vec::new();
    let mut add = |columns: Vec<DomainColumn>, is_perplexity: bool, told: bool| {
        let target = |each: DomainColumn| Target {
            column: each.column,
            domain: if told { each.domain } else { bare(&each.domain).to_owned() },
            is_perplexity,
        };
        found.extend(columns.into_iter().map(target));
    };
    let losses = flags.losses.as_deref();
    let columns = take_matching(sources, ("--loss-columns", losses), (usual(&LOSSES), 1), free)?;
    add(columns, false, losses.is_some());
    let perplexities = flags.perplexities.as_deref();
    let flag = ("--perplexity-columns", perplexities);
    add(
        take_matching(sources, flag, (usual(&PERPLEXITIES), 1), free)?,
        true,
        perplexities.is_some(),
    );
    if !given {
        leave_averages(&mut found, free);
    }
    if found.is_empty() {
        return Err(sources.contents(
            "no column holds losses",
            "name them `c4_loss` or `c4_ppl`, or say which they are: `--loss-columns 'eval_*'`",
        ));
    }
    once(sources, found.iter().map(|target| (target.column, target.domain.as_str())))?;
    Ok(found)
}

/// `metric/c4_val` without the words that only say what it is.
fn bare(name: &str) -> &str {
    let words = LOSS_WORDS.iter().filter_map(|word| Pattern::new(word).ok());
    words.fold(name, |name, word| word.domain(name).unwrap_or(name))
}

/// The mean over validation domains is no validation domain.
fn leave_averages(found: &mut Vec<Target>, free: &mut Vec<ColumnRef>) {
    let is_average =
        |target: &Target| AVERAGES.iter().any(|name| target.domain.eq_ignore_ascii_case(name));
    if found.iter().all(is_average) {
        return;
    }
    free.extend(found.iter().filter(|target| is_average(target)).map(|target| target.column));
    found.retain(|target| !is_average(target));
}

fn mixture(
    sources: &Sources,
    flags: &RoleFlags,
    free: &mut Vec<ColumnRef>,
) -> Result<(MixtureKind, Vec<DomainColumn>), TableError> {
    let (weights, amounts) = (flags.weights.as_deref(), flags.amounts.as_deref());
    let (kind, found) = match (weights, amounts) {
        (Some(_), Some(_)) => {
            return Err(sources.contents(
                "both weights and amounts are named",
                "give `--weight-columns` or `--amount-columns`: one says what was trained on",
            ));
        }
        (None, Some(_)) => {
            let found = take_matching(sources, ("--amount-columns", amounts), (&[], 0), free)?;
            (MixtureKind::Amounts, found)
        }
        (Some(_), None) => {
            let found = take_matching(sources, ("--weight-columns", weights), (&[], 0), free)?;
            (MixtureKind::Weights, found)
        }
        (None, None) => recognised(sources, free)?,
    };
    if found.len() < 2 {
        let only = found.first().map(|only| only.column).or_else(|| lone(sources, free));
        let alone = only.map_or_else(String::new, |only| {
            format!(": `{}` alone is no mixture of two or more domains", sources.name(only))
        });
        return Err(sources.contents(
            format!("no column says what was trained on{alone}"),
            "name two or more columns `weight_c4` or `tokens:c4`, or say which they are: `--weight-columns 'w_*'`",
        ));
    }
    once(sources, found.iter().map(|each| (each.column, each.domain.as_str())))?;
    Ok((kind, found))
}

fn recognised(
    sources: &Sources,
    free: &mut Vec<ColumnRef>,
) -> Result<(MixtureKind, Vec<DomainColumn>), TableError> {
    let weights = take_matching(sources, ("--weight-columns", None), (&WEIGHTS, 2), free)?;
    if !weights.is_empty() {
        return Ok((MixtureKind::Weights, weights));
    }
    let amounts = take_matching(sources, ("--amount-columns", None), (&AMOUNTS, 2), free)?;
    Ok((MixtureKind::Amounts, amounts))
}

/// The one free column that is named like those of a mixture.
fn lone(sources: &Sources, free: &[ColumnRef]) -> Option<ColumnRef> {
    let usual: Vec<Pattern> =
        WEIGHTS.iter().chain(&AMOUNTS).filter_map(|text| Pattern::new(text).ok()).collect();
    let is_one =
        |column: &ColumnRef| usual.iter().any(|p| p.domain(sources.name(*column)).is_some());
    free.iter().copied().find(is_one)
}

/// Refuses two columns for one domain.
fn once<'c>(
    sources: &Sources,
    columns: impl Iterator<Item = (ColumnRef, &'c str)>,
) -> Result<(), TableError> {
    let mut seen: Vec<(ColumnRef, &str)> = Vec::new();
    for (column, domain) in columns {
        if let Some((first, _)) = seen.iter().find(|(_, known)| *known == domain) {
            let (one, other) = (sources.name(*first), sources.name(column));
            return Err(sources.contents(
                format!("columns `{one}` and `{other}` are both about `{domain}`"),
                "rename one, or choose columns by a pattern that matches only one",
            ));
        }
        seen.push((column, domain));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_columns_lose_the_words_around_their_domain() {
        let check = |name: &str, expected: &str| assert_eq!(bare(name), expected);
        check("metric/the_pile_arxiv_val", "the_pile_arxiv");
        check("c4", "c4");
        check("eval/c4", "c4");
        check("val_c4", "c4");
        check("interval", "interval");
    }
}
