//! JSON objects and values, taken apart with errors that say where.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sterna_core::packet::{QoS, ReasonCode};

use crate::JsonError;
use crate::binary::HEX_SUFFIX;

/// A JSON object of which every field must be asked for.
pub(crate) struct Fields<'v> {
    map: &'v Map<String, Value>,
    /// Where the object stands, ending in a dot; empty for the packet itself.
    prefix: String,
    known: Vec<String>,
}

impl<'v> Fields<'v> {
    /// The packet object.
    pub(crate) fn of_packet(value: &'v Value) -> Result<Self, JsonError> {
        let map = value.as_object().ok_or_else(|| JsonError::value("packet", "a JSON object", value))?;
        Ok(Self { map, prefix: String::new(), known: Vec::new() })
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn optional(&mut self, name: &str) -> Option<Field<'v>> {
        self.known.push(name.to_owned());
        self.map.get(name).map(|value| Field { value, path: self.path(name) })
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Field<'v>, JsonError> {
        self.optional(name).ok_or_else(|| JsonError::Missing { field: self.path(name) })
    }

    /// A flag of the wire, which is not set when it is left out.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, JsonError> {
        self.optional(name).map_or(Ok(false), |field| field.boolean())
    }

    /// A QoS, 0 when it is left out.
    pub(crate) fn qos(&mut self) -> Result<QoS, JsonError> {
        self.optional("qos").map_or(Ok(QoS::AtMostOnce), |field| field.qos())
    }

    /// Binary data under either of its two names.
    pub(crate) fn binary(&mut self, name: &str) -> Result<Option<Cow<'v, [u8]>>, JsonError> {
        let text = self.optional(name);
        let digits = self.optional(&format!("{name}{HEX_SUFFIX}"));
        match (text, digits) {
            (None, None) => Ok(None),
            (Some(field), None) | (None, Some(field)) => field.binary().map(Some),
            (Some(text), Some(digits)) => Err(JsonError::value(
                &digits.path,
                format!("no second spelling of `{}`", text.path),
                digits.value,
            )),
        }
    }

    /// Refuses a field that nobody asked for.
    pub(crate) fn finish(self) -> Result<(), JsonError> {
        match self.map.keys().find(|key| !self.known.contains(key)) {
            None => Ok(()),
            Some(key) => Err(JsonError::Unknown { field: self.path(key), known: self.known.join(", ") }),
        }
    }
}

/// A value and where it stands.
pub(crate) struct Field<'v> {
    pub(crate) value: &'v Value,
    pub(crate) path: String,
}

impl<'v> Field<'v> {
    pub(crate) fn error(&self, expected: impl Into<String>) -> JsonError {
        JsonError::value(&self.path, expected, self.value)
    }

    pub(crate) fn boolean(&self) -> Result<bool, JsonError> {
        self.value.as_bool().ok_or_else(|| self.error("true or false"))
    }

    pub(crate) fn string(&self) -> Result<&'v str, JsonError> {
        self.value.as_str().ok_or_else(|| self.error("a string"))
    }

    /// Binary data: digits where the name of the field says so, otherwise text.
    pub(crate) fn binary(&self) -> Result<Cow<'v, [u8]>, JsonError> {
        if !self.path.ends_with(HEX_SUFFIX) {
            return Ok(self.string()?.as_bytes().into());
        }
        let digits = self.value.as_str().and_then(|text| hex::decode(text).ok());
        digits.map(Cow::Owned).ok_or_else(|| self.error("an even number of hexadecimal digits"))
    }

    fn integer(&self, largest: u32) -> Result<u32, JsonError> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number
            .filter(|&number| number <= largest)
            .ok_or_else(|| self.error(format!("an integer from 0 to {largest}")))
    }

    pub(crate) fn u8(&self) -> Result<u8, JsonError> {
        self.integer(u8::MAX.into()).map(|number| number as u8)
    }

    pub(crate) fn u16(&self) -> Result<u16, JsonError> {
        self.integer(u16::MAX.into()).map(|number| number as u16)
    }

    pub(crate) fn u32(&self) -> Result<u32, JsonError> {
        self.integer(u32::MAX)
    }

    /// A byte of which the specification allows the values 0 and 1 only.
    pub(crate) fn zero_or_one(&self) -> Result<bool, JsonError> {
        self.integer(1).map(|number| number == 1)
    }

    pub(crate) fn qos(&self) -> Result<QoS, JsonError> {
        match self.value.as_u64() {
            Some(0) => Ok(QoS::AtMostOnce),
            Some(1) => Ok(QoS::AtLeastOnce),
            Some(2) => Ok(QoS::ExactlyOnce),
            _ => Err(self.error("a QoS: 0, 1 or 2")),
        }
    }

    pub(crate) fn reason_code(&self) -> Result<ReasonCode, JsonError> {
        let code = self.u8().ok().and_then(ReasonCode::from_value);
        code.ok_or_else(|| self.error("the number of a reason code"))
    }

    pub(crate) fn list(&self) -> Result<impl Iterator<Item = Field<'v>> + use<'v>, JsonError> {
        let list = self.value.as_array().ok_or_else(|| self.error("a list"))?;
        let path = self.path.clone();
        Ok(list
            .iter()
            .enumerate()
            .map(move |(index, value)| Field { value, path: format!("{path}[{index}]") }))
    }

    pub(crate) fn object(&self) -> Result<Fields<'v>, JsonError> {
        let map = self.value.as_object().ok_or_else(|| self.error("an object"))?;
        Ok(Fields { map, prefix: format!("{}.", self.path), known: Vec::new() })
    }
}
