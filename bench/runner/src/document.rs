//! The tables in a document, between marks such as `<!-- bench: throughput -->` and `<!-- end -->`.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use crate::tables::Table;

const END: &str = "<!-- end -->";

/// Replaces those for which there are new ones; an error names those without a place in it.
pub(crate) fn update(file: &Path, tables: &[Table]) -> io::Result<()> {
    let mut text = fs::read_to_string(file)?;
    let mut homeless = Vec::new();
    for (name, table) in tables {
        match replace(&text, name, table) {
            Some(new) => text = new,
            None => homeless.push(*name),
        }
    }
    fs::write(file, text)?;
    if homeless.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!("it has no place for {}", homeless.join(", "))))
}

/// Which of these targets it gives no reason for, in a paragraph that begins with the target's number.
pub(crate) fn unexplained(file: &Path, missed: &BTreeSet<u8>) -> io::Result<Vec<u8>> {
    let text = fs::read_to_string(file)?;
    let is_explained = |number: &&u8| text.contains(&format!("- **Target {number}**"));
    Ok(missed.iter().filter(|number| !is_explained(number)).copied().collect())
}

fn replace(text: &str, name: &str, table: &str) -> Option<String> {
    let mark = format!("<!-- bench: {name} -->\n");
    let begin = text.find(&mark)? + mark.len();
    let end = begin + text[begin..].find(END)?;
    Some(format!("{}\n{}\n{}", &text[..begin], table.trim_end(), &text[end..]).replace("\n\n\n", "\n\n"))
}

#[test]
fn only_the_named_table_is_replaced() {
    let text = "a\n<!-- bench: one -->\nold\n<!-- end -->\n<!-- bench: two -->\nstays\n<!-- end -->\n";
    let new = replace(text, "one", "| new |\n").expect("it is there");
    assert_eq!(
        new,
        "a\n<!-- bench: one -->\n\n| new |\n<!-- end -->\n<!-- bench: two -->\nstays\n<!-- end -->\n"
    );
    assert!(replace(text, "three", "").is_none());
}
