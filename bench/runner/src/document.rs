//! The tables in a document, between marks such as `<!-- bench: throughput -->` and `<!-- end -->`.

use std::path::Path;
use std::{fs, io};

use crate::tables::Table;

const END: &str = "<!-- end -->";

/// Replaces those for which there are new ones.
pub(crate) fn update(file: &Path, tables: &[Table]) -> io::Result<()> {
    let mut text = fs::read_to_string(file)?;
    for (name, table) in tables {
        text = replace(&text, name, table)
            .ok_or_else(|| io::Error::other(format!("it has no place for the table {name}")))?;
    }
    fs::write(file, text)
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
