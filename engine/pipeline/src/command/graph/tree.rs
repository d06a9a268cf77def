//! The graph as a tree: below each action, what it reads from.

use super::Picture;
use crate::command::standing::Standing;
use crate::ui::text::{Page, Tone, width_of};

#[must_use]
pub fn text(picture: &Picture, roots: &[usize], page: &Page) -> String {
    let mut tree =
        Tree { picture, page, seen: vec![false; picture.nodes.len()], text: String::new() };
    for &root in roots {
        tree.branch(root, "", "");
    }
    tree.text
}

struct Tree<'a> {
    picture: &'a Picture,
    page: &'a Page,
    /// What has its branches shown already.
    seen: Vec<bool>,
    text: String,
}

impl Tree<'_> {
    /// `start` stands before the action itself, `indent` before what is below it.
    fn branch(&mut self, place: usize, start: &str, indent: &str) {
        let reads = &self.picture.nodes[place].reads;
        let is_again = std::mem::replace(&mut self.seen[place], true) && !reads.is_empty();
        self.line(place, start, is_again);
        if is_again {
            return;
        }
        for (index, &read) in reads.iter().enumerate() {
            let (mark, below) =
                if index + 1 == reads.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            self.branch(read, &format!("{indent}{mark}"), &format!("{indent}{below}"));
        }
    }

    fn line(&mut self, place: usize, start: &str, is_again: bool) {
        let node = &self.picture.nodes[place];
        let mark = if is_again { " (above)" } else { "" };
        let word = match &node.standing {
            Standing::UpToDate { .. } => String::new(),
            other => format!("  {}", other.word()),
        };
        let room = width_of(start) + width_of(mark) + width_of(&word);
        let name = self.page.cut(&node.target, room);
        let name = self.page.paint(node.standing.tone(), &format!("{name}{word}"));
        let paint = |text: &str| match text {
            "" => String::new(),
            text => self.page.paint(Tone::Quiet, text),
        };
        let line = format!("{}{name}{}\n", paint(start), paint(mark));
        self.text.push_str(&line);
    }
}
