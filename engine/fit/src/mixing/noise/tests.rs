use super::*;
use crate::mixing::{FitOptions, LawName, fit};

/// 40 rows along one share with losses from 1 to 9 and errors of alternating sign as `error` gives them; every second row without its
/// loss where `blanks`.
fn noise(error: impl Fn(f64) -> f64, blanks: bool) -> Noise {
    let row = |index: usize| {
        let share = (index as f64 + 0.5) / 40.0;
        let loss = 1.0 + 8.0 * share;
        let sign = if (index / 2).is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut row = Row::new(format!("row {index}"), vec![share, 1.0 - share], &[]);
        let blank = blanks && index.is_multiple_of(2);
        row.losses =
            vec![(!blank).then_some(loss + sign * error(loss)), Some(loss + sign * error(loss))];
        row
    };
    let names = |prefix: &str| vec![format!("{prefix}0"), format!("{prefix}1")];
    let table = Observations::new(names("d"), names("v"), (0..40).map(row).collect());
    let table = table.expect("a usable table");
    let options = FitOptions::default();
    let fitted = fit(&table, LawName::Linear, &options).expect("a fit");
    let setup = Setup::new(&table, LawName::Linear, &options).expect("usable options");
    Noise::new(&table, &fitted, &setup, None).expect("noise")
}

#[test]
fn errors_are_of_one_size_or_in_proportion_to_losses() {
    let alike = noise(|_| 0.2, false);
    assert!(alike.size.iter().all(|row| row[0] == 1.0), "{:?}", alike.size);
    let proportional = noise(|loss| 0.1 * loss, false);
    let (first, last) = (proportional.size[0][0], proportional.size[39][0]);
    let ratio = first.max(last) / first.min(last);
    assert!((6.0..=12.0).contains(&ratio), "{first} {last}");
}

#[test]
fn blanks_make_no_error_smaller() {
    let (whole, half) = (noise(|_| 0.2, false), noise(|_| 0.2, true));
    for found in [whole.sd[0], half.sd[0]] {
        assert!((0.18..=0.23).contains(&found), "{found}");
    }
}
