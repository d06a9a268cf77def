//! The frame of the page: head, numbered tables and figures, escaping.
//!
//! Knows nothing of what a section shows.

use crate::grid::{Cell, Grid, Row};
use crate::prose::{escape_html, sentence_html};

use super::style::swatch;

/// A page being written. Everything that takes text escapes it; `raw` takes markup.
pub(crate) struct Page {
    title: String,
    body: String,
    figures: usize,
    tables: usize,
    drawings: usize,
}

impl Page {
    pub fn new(title: &str) -> Page {
        let title = if title.trim().is_empty() { "A mixture study" } else { title };
        Page { title: escape_html(title), body: String::new(), figures: 0, tables: 0, drawings: 0 }
    }

    pub fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    pub fn section(&mut self, id: &str, heading: &str) {
        self.body += &format!("<h2 id=\"{id}\">{}</h2>\n", escape_html(heading));
    }

    pub fn heading(&mut self, heading: &str) {
        self.body += &format!("<h3>{}</h3>\n", sentence_html(heading));
    }

    pub fn paragraph(&mut self, sentence: &str) {
        self.body += &format!("<p>{}</p>\n", sentence_html(sentence));
    }

    pub fn list<'a>(&mut self, sentences: impl IntoIterator<Item = &'a str>) {
        let items = sentences.into_iter().map(|s| format!("<li>{}</li>\n", sentence_html(s)));
        let items: String = items.collect();
        if !items.is_empty() {
            self.body += &format!("<ul class=\"plain\">\n{items}</ul>\n");
        }
    }

    /// An id that no other drawing of the page has.
    pub fn drawing(&mut self) -> String {
        self.drawings += 1;
        format!("g{}", self.drawings)
    }

    /// A numbered figure around finished drawings.
    pub fn figure(&mut self, caption: &str, drawings: &str) {
        self.figures += 1;
        self.body += &format!(
            "<figure>\n{drawings}<figcaption><b>Fig. {}.</b> {}</figcaption>\n</figure>\n",
            self.figures,
            sentence_html(caption).replace("^-b", "<sup>−b</sup>")
        );
    }

    /// A numbered table.
    pub fn table(&mut self, grid: &Grid) {
        self.tables += 1;
        let caption = format!("<b>Table {}.</b> {}.", self.tables, sentence_html(&grid.title));
        self.body += &table(grid, &caption, &format!("t{}", self.tables));
    }

    /// The numbers of a figure, folded away.
    pub fn data(&mut self, grid: &Grid) {
        self.data_named("The numbers of this figure", grid);
    }

    /// A table that is folded away under a summary.
    pub fn data_named(&mut self, summary: &str, grid: &Grid) {
        let caption = format!("{}.", sentence_html(&grid.title));
        let id = format!("n{}", self.drawing());
        self.body += &format!(
            "<details><summary>{}</summary>\n{}</details>\n",
            escape_html(summary),
            table(grid, &caption, &id)
        );
    }

    pub fn finish(self) -> String {
        self.finish_as("Mixture study")
    }

    /// The page, said to be a `kind` above its title.
    pub fn finish_as(self, kind: &str) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'\">\n<title>{0}</title>\n<style>\n{1}</style>\n</head>\n\
             <body>\n<main>\n<p class=\"kicker\">{3}</p>\n<h1>{0}</h1>\n{2}</main>\n\
             </body>\n</html>\n",
            self.title,
            include_str!("style.css"),
            self.body,
            escape_html(kind)
        )
    }
}

/// The caption stands outside of the table so that it may be wider.
fn table(grid: &Grid, caption: &str, id: &str) -> String {
    let heads: String = grid
        .columns
        .iter()
        .map(|c| {
            let sub = match c.sub.is_empty() {
                true => String::new(),
                false => format!("<small>{}</small>", escape_html(&c.sub)),
            };
            format!("<th scope=\"col\"><span>{}</span>{sub}</th>", escape_html(&c.name))
        })
        .collect();
    let rows: String = grid.rows.iter().map(row).collect();
    // The asterisk of the terminal is bold type here.
    let notes = grid.notes.iter().map(|n| n.replace("* best", "Bold: best"));
    let notes: String =
        notes.map(|n| format!("<p class=\"note\">{}</p>\n", sentence_html(&n))).collect();
    format!(
        "<p class=\"cap\" id=\"{id}\">{caption}</p>\n<div class=\"scroll\" tabindex=\"0\" \
         role=\"region\" aria-labelledby=\"{id}\">\n<table aria-labelledby=\"{id}\">\n<thead><tr><th scope=\"col\">{}</th>{heads}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</div>\n{notes}",
        grid.corner
    )
}

fn row(row: &Row) -> String {
    let class = if row.summary { " class=\"sum\"" } else { "" };
    let swatch = row.domain.map_or(String::new(), swatch);
    let cells: String = row.cells.iter().map(cell).collect();
    let label = escape_html(&row.label);
    format!(
        "<tr{class}><th scope=\"row\">{swatch}<span title=\"{label}\">{label}</span></th>{cells}</tr>\n"
    )
}

fn cell(cell: &Cell) -> String {
    match cell.best {
        true => format!("<td><strong>{}</strong></td>", escape_html(&cell.text)),
        false => format!("<td>{}</td>", escape_html(&cell.text)),
    }
}
