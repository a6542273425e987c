//! What a benchmark's message says of itself, so that a subscriber can tell what is lost, doubled or late.

use data_encoding::HEXLOWER;

/// Begins every header.
const MAGIC: [u8; 4] = *b"STB1";
/// How long it is.
pub(super) const LENGTH: usize = 36;

/// The header of one message. On the wire: the four bytes `STB1`, then the fields in their order, most significant
/// byte first. In a template's text it stands in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Which run of the benchmark.
    pub(super) run: u32,
    /// Which of its clients.
    pub(super) client: u32,
    /// Which of that client's messages, from 0.
    pub(super) sequence: u64,
    /// How many there will be; 0 if that is not known.
    pub(super) total: u64,
    /// When it was published, or was due: nanoseconds since 1970.
    pub(super) time: u64,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.client.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[20..28].copy_from_slice(&self.total.to_be_bytes());
        bytes[28..].copy_from_slice(&self.time.to_be_bytes());
        bytes
    }

    pub(super) fn to_hex(self) -> String {
        HEXLOWER.encode(&self.encode())
    }

    /// The header at the payload's start, or in hexadecimal digits anywhere in it.
    pub(super) fn find(payload: &[u8]) -> Option<Self> {
        if let Some(header) = payload.get(..LENGTH).and_then(Self::decode) {
            return Some(header);
        }
        let magic = HEXLOWER.encode(&MAGIC);
        let digits = payload.windows(2 * LENGTH).find(|window| window.starts_with(magic.as_bytes()))?;
        Self::decode(&HEXLOWER.decode(digits).ok()?)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (run, rest) = rest.split_first_chunk()?;
        let (client, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (total, rest) = rest.split_first_chunk()?;
        let (time, _) = rest.split_first_chunk()?;
        Some(Self {
            run: u32::from_be_bytes(*run),
            client: u32::from_be_bytes(*client),
            sequence: u64::from_be_bytes(*sequence),
            total: u64::from_be_bytes(*total),
            time: u64::from_be_bytes(*time),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-03
    #[test]
    fn a_header_is_found_again() {
        let header = Header { run: 1, client: 2, sequence: u64::MAX, total: 3, time: 1 << 60 };
        let filled = [&header.encode()[..], b"...."].concat();
        assert_eq!(Header::find(&filled), Some(header));
        let text = format!("{{\"id\": \"{}\", \"x\": 1}}", header.to_hex());
        assert_eq!(Header::find(text.as_bytes()), Some(header));
        for other in [&b""[..], b"STB1", &filled[1..], &text.as_bytes()[..60]] {
            assert_eq!(Header::find(other), None);
        }
    }
}
