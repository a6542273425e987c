//! The head of an HTTP response.

/// What a server or proxy may say before the blank line, in bytes.
const LIMIT: usize = 16 * 1024;

/// Gathers the head of an HTTP response, however it is split.
#[derive(Debug, Default)]
pub(crate) struct HttpHead {
    bytes: Vec<u8>,
}

/// The head is longer than any honest one.
#[derive(Debug)]
pub(crate) struct TooLong;

impl HttpHead {
    /// Takes bytes up to the blank line, and gives the head when that has come. What follows it stays in `input`.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, TooLong> {
        // The blank line may have begun before.
        let searched = self.bytes.len().saturating_sub(3);
        let room = LIMIT - self.bytes.len();
        let offered = &input[..input.len().min(room)];
        let before = self.bytes.len();
        self.bytes.extend_from_slice(offered);
        if let Some(at) = self.bytes[searched..].windows(4).position(|window| window == b"\r\n\r\n") {
            let end = searched + at + 4;
            self.bytes.truncate(end);
            *input = &input[end - before..];
            return Ok(Some(&self.bytes));
        }
        *input = &input[offered.len()..];
        if self.bytes.len() == LIMIT { Err(TooLong) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_however_it_is_split() {
        let all = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest";
        for split in 0..all.len() {
            let mut head = HttpHead::default();
            let mut input = &all[..split];
            let early = head.receive(&mut input).unwrap().is_some();
            assert_eq!(early, split >= all.len() - 4, "{split}");
            if !early {
                assert!(input.is_empty());
                input = &all[split..];
                assert_eq!(head.receive(&mut input).unwrap().unwrap(), &all[..all.len() - 4]);
                assert_eq!(input, b"rest");
            }
        }
    }

    #[test]
    fn a_head_without_end_is_refused() {
        let mut head = HttpHead::default();
        let garbage = [b'x'; 1000];
        let refused = (0..17).position(|_| head.receive(&mut &garbage[..]).is_err());
        assert_eq!(refused, Some(16));
        assert!(head.receive(&mut &garbage[..]).is_err(), "it stays refused");
        assert_eq!(head.bytes.len(), LIMIT);
    }
}
