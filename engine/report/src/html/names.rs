//! Names short enough for a panel: without the beginning that all of them share.

/// Beginnings shorter than this are left.
const LONG: usize = 5;

/// The names with `…` for the words that all begin with, so that what tells them apart is not cut off; as they are where that leaves
/// one of them without a word or they share little.
pub(crate) fn apart(names: &[&str]) -> Vec<String> {
    let shared = shared(names);
    let short = |name: &&str| match shared >= LONG {
        true => format!("…{}", &name[shared..]),
        false => (*name).to_owned(),
    };
    names.iter().map(short).collect()
}

/// Bytes of the words that all of two or more names begin with, and that leave each a rest.
fn shared(names: &[&str]) -> usize {
    let [first, others @ ..] = names else { return 0 };
    let ends = first.char_indices().filter(|(_, c)| matches!(c, '_' | '-' | '/' | '.' | ':' | ' '));
    let of_all = |end: &usize| {
        let begins = |name: &&str| name.len() > *end && name.starts_with(&first[..*end]);
        first.len() > *end && others.iter().all(begins)
    };
    let longest = ends.map(|(at, c)| at + c.len_utf8()).filter(of_all).max();
    if others.is_empty() { 0 } else { longest.unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::apart;

    #[test]
    fn what_all_names_begin_with_is_left_out() {
        let found =
            apart(&["the_pile_arxiv", "the_pile_pubmed_central", "the_pile_pubmed_abstracts"]);
        assert_eq!(found, ["…arxiv", "…pubmed_central", "…pubmed_abstracts"]);
        for whole in [
            &["the_pile_arxiv"][..],
            &["the_pile_arxiv", "c4"],
            &["the_pile_arxiv", "the_pile_"],
            &["a_b", "a_c"],
            &["größe_eins", "größer_zwei"],
            &[],
        ] {
            assert_eq!(apart(whole), whole);
        }
        assert_eq!(apart(&["größe_eins", "größe_zwei"]), ["…eins", "…zwei"]);
    }
}
