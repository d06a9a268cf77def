//! Tables and token counts as people read them: aligned columns on plain text.

/// Cells by row, under a header; columns from `left` on are aligned to the right.
#[derive(Debug, Clone, Default)]
pub struct Grid {
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub left: usize,
}

/// Shown where there is no value.
pub const MISSING: &str = "—";

impl Grid {
    /// A grid whose first `left` columns are words.
    #[must_use]
    pub fn new<S: Into<String>>(left: usize, header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new(), left }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Lines of equal columns, two spaces apart, without spaces at their ends.
    #[must_use]
    pub fn render(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let columns = lines().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column < self.left {
                    format!("{cell:width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        lines().map(line).collect()
    }
}

/// Tokens: whole below ten million (`681700`), to seven digits above (`5.000487B`). Fractions are shown
/// only of the few tokens of an example.
#[must_use]
pub fn tokens(value: f64) -> String {
    if value.abs() < 1e3 {
        let text = format!("{value:.3}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    if value.abs() < 1e7 {
        return format!("{value:.0}");
    }
    let units = [(1e12, "T"), (1e9, "B"), (1e6, "M")];
    let (unit, suffix) =
        units.into_iter().find(|(unit, _)| value.abs() >= *unit).unwrap_or((1e6, "M"));
    let scaled = value / unit;
    let whole = scaled.abs().log10().floor().max(0.0) as usize + 1;
    let text = format!("{scaled:.0$}", 7_usize.saturating_sub(whole));
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_counts() {
        let cases = [
            (681_700.0, "681700"),
            (0.2, "0.2"),
            (8_571_428.571, "8571429"),
            (1e7, "10M"),
            (300e6, "300M"),
            (5_000_487_000.0, "5.000487B"),
            (412_440_030_000.0, "412.44B"),
            (1.2e9, "1.2B"),
            (2e15, "2000T"),
        ];
        for (value, text) in cases {
            assert_eq!(tokens(value), text);
        }
    }

    #[test]
    fn grids_align() {
        let mut grid = Grid::new(1, ["domain", "x"]);
        grid.row(["a".to_owned(), "1.5".to_owned()]);
        grid.row(["longer-name".to_owned(), MISSING.to_owned()]);
        assert_eq!(grid.render(), "domain         x\na            1.5\nlonger-name    —\n");
    }
}
