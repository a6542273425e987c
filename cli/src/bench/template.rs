//! Topics and payloads with places to fill in.

use std::fmt::Write;

use rand::RngExt;

use super::header::Header;

/// A text with places.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Client,
    Message,
    Random(u64),
    Time,
    Header,
}

impl Template {
    /// Reads `{client}`, `{message}`, `{random:N}` (0 to N-1), `{time}` (nanoseconds since 1970) and `{header}` as places,
    /// and `{{` as a brace. A brace that begins none of them is one: JSON needs no care.
    ///
    /// # Errors
    /// `{random:N}` without a number above 0.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            push_text(&mut parts, &rest[..at]);
            rest = &rest[at..];
            let end = rest.find('}').unwrap_or(0);
            let (part, length) = match &rest[..=end] {
                _ if rest.starts_with("{{") => (Part::Text("{".to_owned()), 2),
                "{client}" => (Part::Client, end + 1),
                "{message}" => (Part::Message, end + 1),
                "{time}" => (Part::Time, end + 1),
                "{header}" => (Part::Header, end + 1),
                place if place.starts_with("{random:") => {
                    let limit = place[8..end].parse().ok().filter(|limit| *limit > 0);
                    (Part::Random(limit.ok_or("{random:N} needs a number above 0")?), end + 1)
                }
                _ => (Part::Text("{".to_owned()), 1),
            };
            match part {
                Part::Text(text) => push_text(&mut parts, &text),
                part => parts.push(part),
            }
            rest = &rest[length..];
        }
        push_text(&mut parts, rest);
        Ok(Self(parts))
    }

    /// The text for one message.
    pub(super) fn fill(&self, header: &Header) -> String {
        let mut text = String::new();
        for part in &self.0 {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Text(part) => text.write_str(part),
                Part::Client => write!(text, "{}", header.client),
                Part::Message => write!(text, "{}", header.sequence),
                Part::Random(limit) => write!(text, "{}", rand::rng().random_range(0..*limit)),
                Part::Time => write!(text, "{}", header.time),
                Part::Header => text.write_str(&header.to_hex()),
            };
        }
        text
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-03
    #[test]
    fn places_are_filled() {
        let header = Header { run: 9, client: 3, sequence: 14, total: 0, time: 77 };
        let fill = |text: &str| Template::parse(text).unwrap().fill(&header);
        assert_eq!(fill("a/{client}/{message}/{time}"), "a/3/14/77");
        assert_eq!(fill("{\"n\": {message}, \"o\": {}}"), "{\"n\": 14, \"o\": {}}");
        assert_eq!(fill("{{client}}{"), "{client}}{");
        assert_eq!(fill("{random:1}{\u{e4}}"), "0{\u{e4}}");
        assert_eq!(Header::find(fill("x{header}").as_bytes()), Some(header));
        let random: u64 = fill("{random:10}").parse().unwrap();
        assert!(random < 10);
        for text in ["{random:}", "{random:0}", "{random:x}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
