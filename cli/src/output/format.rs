//! The formats of `sub -F`, which are mosquitto_sub's.

use sterna_client::{Message, MessageId};

use super::{Occasion, json};

/// The conversions of `strftime` that C has.
const STRFTIME: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%";

/// A format that was read.
#[derive(Debug, Clone)]
pub(super) struct Format(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Time(char),
    Nanoseconds,
    Field(Field),
}

/// One `%` with what stands behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Field {
    what: char,
    left: bool,
    zeros: bool,
    width: usize,
    maximum: Option<usize>,
}

/// The largest width: an output that is as wide by mistake fills the disk.
const MAXIMUM_WIDTH: usize = 10_000;

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let part = match character {
                '%' => parse_field(&mut characters)?,
                '@' => match characters.next().ok_or("it ends after an @")? {
                    '@' => Part::Text(b"@".to_vec()),
                    'N' => Part::Nanoseconds,
                    other => Part::Time(other),
                },
                '\\' => Part::Text(vec![parse_escape(characters.next())?]),
                other => Part::Text(other.to_string().into_bytes()),
            };
            match (parts.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(more)) => before.extend(more),
                (_, part) => parts.push(part),
            }
        }
        Ok(Self(parts))
    }

    /// Appends what is printed for a message.
    ///
    /// # Errors
    /// What could not be printed; everything else is.
    pub(super) fn print(
        &self,
        message: &Message,
        occasion: &Occasion,
        output: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let mut result = Ok(());
        for part in &self.0 {
            match part {
                Part::Text(text) => output.extend_from_slice(text),
                Part::Nanoseconds => output.extend_from_slice(occasion.moment.nanoseconds().as_bytes()),
                Part::Time(character) if STRFTIME.contains(*character) => {
                    output.extend_from_slice(occasion.moment.conversion(*character).as_bytes());
                }
                Part::Time(character) => output.extend_from_slice(format!("%{character}").as_bytes()),
                Part::Field(field) => result = result.and(field.print(message, occasion, output)),
            }
        }
        result
    }
}

fn parse_field(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, String> {
    let mut field = Field::default();
    while let Some(flag) = characters.next_if(|character| "-0 ".contains(*character)) {
        field.left |= flag == '-';
        field.zeros |= flag == '0';
    }
    let number = |characters: &mut std::iter::Peekable<std::str::Chars<'_>>| {
        let mut number = 0_usize;
        while let Some(digit) = characters.peek().and_then(|character| character.to_digit(10)) {
            characters.next();
            number = number.saturating_mul(10).saturating_add(digit as usize);
        }
        if number > MAXIMUM_WIDTH { Err(format!("a width is at most {MAXIMUM_WIDTH}")) } else { Ok(number) }
    };
    field.width = number(characters)?;
    if characters.next_if_eq(&'.').is_some() {
        field.maximum = Some(number(characters)?);
    }
    field.what = characters.next().ok_or("it ends after a %")?;
    match field.what {
        '%' => Ok(Part::Text(b"%".to_vec())),
        'A' | 'C' | 'D' | 'E' | 'F' | 'I' | 'j' | 'J' | 'l' | 'm' | 'p' | 'P' | 'q' | 'R' | 'r' | 'S'
        | 't' | 'U' | 'x' | 'X' => Ok(Part::Field(field)),
        other => Err(format!("there is no %{other}")),
    }
}

fn parse_escape(character: Option<char>) -> Result<u8, String> {
    Ok(match character.ok_or("it ends after a \\")? {
        '\\' => b'\\',
        '0' => 0,
        'a' => 7,
        'e' => 27,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        other => return Err(format!("there is no \\{other}")),
    })
}

impl Field {
    fn print(
        &self,
        message: &Message,
        occasion: &Occasion,
        output: &mut Vec<u8>,
    ) -> Result<(), &'static str> {
        let properties = message.properties();
        match self.what {
            'A' => self.number(properties.topic_alias(), output),
            'C' => self.text(properties.content_type().unwrap_or_default(), output),
            'D' => output.extend_from_slice(properties.correlation_data().unwrap_or_default()),
            'E' => self.number(properties.message_expiry_interval(), output),
            'F' => self.number(properties.payload_format_indicator().map(u8::from), output),
            'I' => self.text(&occasion.moment.iso(), output),
            'j' => json::print(message, occasion, json::Payload::Text, output)?,
            'J' => json::print(message, occasion, json::Payload::Json, output)?,
            'l' => self.number(Some(message.payload().len()), output),
            'm' => self.number(Some(message.id().map_or(0, MessageId::packet_id)), output),
            'p' => self.pad(message.payload(), self.padding(), output),
            'P' => {
                let pairs: Vec<_> =
                    properties.user_properties().map(|(name, value)| format!("{name}:{value}")).collect();
                output.extend_from_slice(pairs.join(" ").as_bytes());
            }
            'q' => output.push(b'0' + message.qos() as u8),
            'R' => {
                // Without one mosquitto_sub does not even fill the width.
                if let Some(topic) = properties.response_topic() {
                    self.text(topic, output);
                }
            }
            'r' => output.push(b'0' + u8::from(message.retain())),
            'S' => {
                let identifier = properties.subscription_identifiers().next();
                self.number(identifier.filter(|_| occasion.identified), output);
            }
            't' => self.text(message.topic(), output),
            'U' => output.extend_from_slice(occasion.moment.unix().as_bytes()),
            'x' => self.pad(hex::encode(message.payload()).as_bytes(), self.padding(), output),
            _ => self.pad(hex::encode_upper(message.payload()).as_bytes(), self.padding(), output),
        }
        Ok(())
    }

    fn padding(&self) -> u8 {
        if self.zeros && !self.left { b'0' } else { b' ' }
    }

    fn number(&self, number: Option<impl ToString>, output: &mut Vec<u8>) {
        let text = number.map(|number| number.to_string()).unwrap_or_default();
        self.pad(text.as_bytes(), self.padding(), output);
    }

    /// Text is never padded with zeros, and cut at the maximum: at a character's end.
    fn text(&self, text: &str, output: &mut Vec<u8>) {
        let mut end = self.maximum.unwrap_or(text.len()).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.pad(&text.as_bytes()[..end], b' ', output);
    }

    fn pad(&self, bytes: &[u8], padding: u8, output: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(bytes.len());
        let fill = |output: &mut Vec<u8>| output.resize(output.len() + missing, padding);
        if !self.left {
            fill(output);
        }
        output.extend_from_slice(bytes);
        if self.left {
            fill(output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-02
    #[test]
    fn formats_are_read() {
        let Format(parts) = Format::parse("a%%@@\\\\b%-010.5t@H@N").unwrap();
        let field = Field { what: 't', left: true, zeros: true, width: 10, maximum: Some(5) };
        let expected =
            [Part::Text(b"a%@\\b".to_vec()), Part::Field(field), Part::Time('H'), Part::Nanoseconds];
        assert_eq!(parts, expected);
    }

    // R: CLI-02
    #[test]
    fn what_is_no_format_is_refused() {
        for text in
            ["%", "a%", "%z", "@", "\\", "\\z", "%10", "%-", "%10001t", "%99999999999999999999t", "%.d"]
        {
            assert!(Format::parse(text).is_err(), "{text}");
        }
    }
}
