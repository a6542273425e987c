//! Binary data and properties as they stand in a recording.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sterna_core::packet::{Properties, PropertiesBuf};

/// Less than this is copied rather than shared.
const SMALL: usize = 64 << 10;

/// Bytes, which a recording has as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Hex(pub Bytes);

impl Hex {
    /// A copy of `bytes`.
    pub fn copy(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    /// What may be a small part of something large is copied out of it.
    pub(crate) fn keep(bytes: &Bytes) -> Self {
        if bytes.len() < SMALL { Self::copy(bytes) } else { Self(bytes.clone()) }
    }
}

impl Deref for Hex {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Hex {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = hex::decode(&*digits)
            .map_err(|error| D::Error::custom(format!("hexadecimal digits: {error}")))?;
        Ok(bytes.into())
    }
}

/// Properties, which a recording has as the JSON of a packet has them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PropertyList(pub PropertiesBuf);

impl PropertyList {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes they take.
    pub(crate) fn size(&self) -> usize {
        self.0.as_properties().as_bytes().len()
    }
}

impl From<Properties<'_>> for PropertyList {
    fn from(properties: Properties<'_>) -> Self {
        Self(properties.into())
    }
}

impl From<&PropertiesBuf> for PropertyList {
    fn from(properties: &PropertiesBuf) -> Self {
        Self(properties.clone())
    }
}

impl Serialize for PropertyList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        sterna_json::properties_to_json(self.0.as_properties()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PropertyList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Value::deserialize(deserializer)?;
        sterna_json::properties_from_json(&list).map(Self).map_err(D::Error::custom)
    }
}
