//! Topic aliases that the server sets; they live as long as one network connection [MQTT-3.3.2-7].

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::ProtocolError;

#[derive(Debug, Default)]
pub(crate) struct IncomingAliases {
    /// Index: alias − 1.
    topics: Vec<Option<Arc<String>>>,
}

impl IncomingAliases {
    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.topics = Vec::new();
    }

    /// Handles the alias of one PUBLISH: sets it when `topic` is not empty, else gives the topic that it stands for.
    pub(crate) fn resolve(
        &mut self,
        alias: u16,
        topic: &[u8],
        maximum: u16,
    ) -> Result<Option<Arc<String>>, ProtocolError> {
        if alias == 0 || alias > maximum {
            return Err(ProtocolError::TopicAliasTooHigh { alias, maximum });
        }
        let index = usize::from(alias) - 1;
        if topic.is_empty() {
            return match self.topics.get(index) {
                Some(Some(topic)) => Ok(Some(topic.clone())),
                _ => Err(ProtocolError::TopicAliasUnknown(alias)),
            };
        }
        if self.topics.len() <= index {
            self.topics.resize(index + 1, None);
        }
        // An alias is mostly set to the same topic again and again: then nothing is copied.
        if self.topics[index].as_deref().map(String::as_bytes) != Some(topic) {
            // It was validated when its packet was decoded.
            self.topics[index] = Some(Arc::new(core::str::from_utf8(topic).unwrap_or_default().into()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: SUB-09
    #[test]
    fn an_alias_stands_for_its_latest_topic_until_the_connection_ends() {
        let mut aliases = IncomingAliases::default();
        assert_eq!(aliases.resolve(2, b"", 2), Err(ProtocolError::TopicAliasUnknown(2)));
        assert_eq!(aliases.resolve(2, b"a", 2), Ok(None));
        assert_eq!(aliases.resolve(2, b"", 2), Ok(Some(Arc::new("a".into()))));
        assert_eq!(aliases.resolve(2, b"b", 2), Ok(None));
        assert_eq!(aliases.resolve(2, b"", 2), Ok(Some(Arc::new("b".into()))));
        assert_eq!(aliases.resolve(1, b"", 2), Err(ProtocolError::TopicAliasUnknown(1)));
        aliases.clear();
        assert_eq!(aliases.resolve(2, b"", 2), Err(ProtocolError::TopicAliasUnknown(2)));
    }

    // R: SUB-09
    #[test]
    fn zero_and_too_high_are_errors() {
        let mut aliases = IncomingAliases::default();
        let too_high = |alias, maximum| Err(ProtocolError::TopicAliasTooHigh { alias, maximum });
        assert_eq!(aliases.resolve(0, b"a", 9), too_high(0, 9));
        assert_eq!(aliases.resolve(10, b"a", 9), too_high(10, 9));
        assert_eq!(aliases.resolve(1, b"a", 0), too_high(1, 0));
    }
}
