//! The page as a document: well formed, self-contained, accessible, whatever the study holds.

mod made_up;
mod odd;

use std::collections::HashSet;

use mixmake_report::html;

const VOID: [&str; 3] = ["meta", "br", "!DOCTYPE"];

/// Names of the tags of a page in order, with `/` in front of closing ones; panics on a tag that
/// is not written as this crate writes them.
fn tags(page: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>') || in_style(&out), "stray > in {:?}", &rest[..start]);
        let tag = &rest[start + 1..];
        let mut quoted = false;
        let end = tag.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let end = end.unwrap_or_else(|| panic!("unclosed tag: {:.80}", tag));
        let (name, attributes) = tag[..end].split_once(' ').unwrap_or((&tag[..end], ""));
        out.push((name.trim_end_matches('/').to_string(), attributes.to_string()));
        if tag[..end].ends_with('/') {
            let name = name.trim_end_matches('/').to_string();
            out.push((format!("/{name}"), String::new()));
        }
        rest = &tag[end + 1..];
    }
    out
}

fn in_style(tags: &[(String, String)]) -> bool {
    tags.last().is_some_and(|(name, _)| name == "style")
}

fn check_balance(name: &str, page: &str) {
    let mut open: Vec<String> = Vec::new();
    for (tag, _) in tags(page) {
        match tag.strip_prefix('/') {
            Some(closing) => assert_eq!(open.pop().as_deref(), Some(closing), "{name}"),
            None if VOID.contains(&tag.as_str()) => {}
            None => open.push(tag),
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} left open");
}

/// Values of an attribute over the whole page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).map(|p| p.split('"').next().unwrap_or_default()).collect()
}

#[test]
fn pages_are_balanced() {
    for (name, study) in odd::all() {
        check_balance(&name, &html(&study));
    }
}

#[test]
fn the_balance_check_can_fail() {
    for broken in ["<p><b>x</p></b>", "<p>", "</p>", "<p>a > b</p>"] {
        let result = std::panic::catch_unwind(|| check_balance("broken", broken));
        assert!(result.is_err(), "{broken}");
    }
}

#[test]
fn only_known_elements_and_attributes() {
    const ELEMENTS: &str = "!DOCTYPE html head meta title style body main p h1 h2 h3 b code dl div \
        dt dd small table thead tbody tr th td span strong ul li figure figcaption svg desc g path \
        circle line text rect details summary footer em sup br";
    let known: HashSet<&str> = ELEMENTS.split_whitespace().collect();
    for (name, study) in odd::all() {
        for (tag, attributes) in tags(&html(&study)) {
            assert!(known.contains(tag.trim_start_matches('/')), "{name}: <{tag}>");
            let parts = attributes.split('"').step_by(2);
            assert!(!parts.clone().any(|p| p.trim().starts_with("on")), "{name}: {attributes}");
            assert!(!parts.clone().any(|p| p.contains("src") || p.contains("href")), "{name}");
        }
    }
}

#[test]
fn nothing_is_loaded() {
    for (name, study) in odd::all() {
        let page = html(&study).replace("http://www.w3.org/2000/svg", "");
        for word in ["http:", "https:", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn ids_are_unique_and_labels_point_to_them() {
    for (name, study) in odd::all() {
        let page = html(&study);
        let ids = values(&page, "id");
        let unique: HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}");
        for label in values(&page, "aria-labelledby") {
            assert!(label.split(' ').all(|id| unique.contains(&id)), "{name}: {label}");
        }
    }
}

#[test]
fn drawings_stay_near_their_frame() {
    for (name, study) in odd::all() {
        let page = html(&study);
        for attribute in ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"] {
            for value in values(&page, attribute) {
                let number: f64 = value.parse().unwrap_or_else(|_| panic!("{name}: {value}"));
                assert!(number.abs() < 8000.0, "{name}: {attribute} {value}");
            }
        }
    }
}

#[test]
fn every_figure_of_a_whole_study_is_there() {
    let page = html(&made_up::realistic());
    for heading in ["held-out", "curves", "weights", "fits", "corpus"] {
        assert!(page.contains(&format!("<h2 id=\"{heading}\"")), "{heading}");
    }
    for part in
        ["Fig. 6.", "Table 5.", "no law identified", "21 % fewer steps", "prefers-color-scheme"]
    {
        assert!(page.contains(part), "{part}");
    }
    // Two trainings: mean, end, one panel a domain; weights twice; two fits of four domains; change; lengths of the
    // documents of five domains.
    assert_eq!(page.matches("role=\"img\"").count(), 2 + 5 + 2 + 8 + 1 + 5);
}

#[test]
fn rules_that_dropped_nothing_take_no_column() {
    let mut study = made_up::realistic();
    for domain in &mut study.domains {
        domain.dropped.push(("max-chars".into(), 0));
    }
    let page = mixmake_report::html(&study);
    let head = page.split("id=\"corpus\"").nth(1).and_then(|rest| rest.split("</thead>").next());
    let head = head.expect("the table of the corpus");
    assert!(head.contains("min-chars") && !head.contains("max-chars"), "{head}");
    assert!(page.contains("Dropped nothing:"));
    study.domains[0].dropped.push(("max-chars".into(), 1));
    let page = mixmake_report::html(&study);
    let head = page.split("id=\"corpus\"").nth(1).and_then(|rest| rest.split("</thead>").next());
    assert!(head.expect("the table").contains("max-chars"));
    assert!(!page.contains("Dropped nothing:"));
}

#[test]
fn steps_saved_are_only_drawn_where_there_are_some() {
    assert!(!html(&made_up::not_better()).contains("fewer steps"));
}

/// A fit of three domains under names that must not become markup; some numbers are none.
fn evidence() -> mixmake_report::evidence::Evidence {
    use mixmake_report::evidence as of;
    let names = ["web", "<b>&\"code\"", "a`b\u{202e}"];
    let domain = |name: &str| of::DomainWeight {
        name: name.into(),
        reference: 0.3,
        optimum: 0.4,
        interval: Some((0.2, 0.5)),
        trained: (0.0, 0.8),
        mark: "cap".into(),
    };
    let target = |name: &str| of::Target {
        name: name.into(),
        points: (0..50)
            .map(|row| of::Agreement {
                row: format!("row {row}"),
                observed: 3.0 + f64::from(row) / 50.0,
                predicted: f64::NAN,
                held_out: Some(3.1 + f64::from(row) / 50.0),
            })
            .collect(),
        rms: 0.1,
        held_out: Some((0.1, 0.98)),
        at_reference: 3.2,
        at_optimum: f64::INFINITY,
        interval: None,
    };
    of::Evidence {
        title: "<losses> & more".into(),
        facts: vec!["9 runs of `web`".into()],
        verdict: Some((false, "The optimum is not better than the reference beyond noise.".into())),
        objective: "mean cross-entropy over `web`".into(),
        level: Some(0.9),
        gain_interval: Some((-0.1, 0.1)),
        laws: vec![
            of::LawScore {
                law: "linear".into(),
                taken: true,
                scores: Ok([0.1, 0.1, 0.01, 0.9, 0.8]),
            },
            of::LawScore {
                law: "trees".into(),
                taken: false,
                scores: Err("too <few> rows".into()),
            },
        ],
        domains: names.map(domain).to_vec(),
        targets: names.map(target).to_vec(),
        slices: vec![of::Slice {
            line: vec![(0.0, 3.0), (0.5, 2.9), (1.0, f64::NAN)],
            points: (0..100).map(|row| (f64::from(row) / 100.0, 3.0)).collect(),
            optimum: 0.4,
            reference: 0.3,
        }],
        parameters: vec![of::Parameter {
            target: names[1].into(),
            name: "t".into(),
            domain: names[2].into(),
            value: -1.0,
            interval: None,
            at_bound: true,
        }],
        suggestions: vec![of::Suggestion {
            weights: vec![0.2],
            scale: " at 3B tokens".into(),
            why: "<why>".into(),
        }],
        notes: vec!["what <script> to know".into()],
        ..of::Evidence::default()
    }
}

#[test]
fn pages_of_fits_are_balanced_and_safe() {
    for (name, evidence) in [("full", evidence()), ("empty", Default::default())] {
        let page = mixmake_report::evidence_html(&evidence);
        check_balance(name, &page);
        assert!(
            !page.contains("<script") && !page.contains("NaN") && !page.contains("inf"),
            "{name}"
        );
        let ids = values(&page, "id");
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{name}: an id twice");
        assert_eq!(page, mixmake_report::evidence_html(&evidence), "{name}");
    }
    let page = mixmake_report::evidence_html(&evidence());
    assert!(page.contains("&lt;b&gt;&amp;&quot;code&quot;"), "names are escaped");
    assert!(page.contains("<b>not</b> better"), "the verdict is loud");
}
