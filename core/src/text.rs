//! Quick looks at text, eight bytes at a time: most text is plain ASCII, and what is not is looked at closely
//! elsewhere.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
/// `+` and `#` differ in this bit alone.
const WILDCARD_BIT: u64 = u64::from_ne_bytes([b'+' ^ b'#'; 8]);
const WILDCARDS: u64 = u64::from_ne_bytes([b'+' | b'#'; 8]);

/// Whether all of it is ASCII without U+0000.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    // Of ASCII only zero has the highest bit set by taking one away.
    !any(text, |word| (word.wrapping_sub(ONES) | word) & HIGH)
}

/// Whether all of it is ASCII without U+0000, `+` and `#`.
#[inline(never)] // It needs registers that its callers need too.
pub(crate) fn is_plain_name(text: &[u8]) -> bool {
    !any(text, |word| (word.wrapping_sub(ONES) | wildcards(word).wrapping_sub(ONES) | word) & HIGH)
}

/// Zero where a wildcard is.
#[inline]
fn wildcards(word: u64) -> u64 {
    (word | WILDCARD_BIT) ^ WILDCARDS
}

/// Whether `finds` gives anything but zero for any eight bytes of `text`. It must find nothing in spaces, and the same
/// wherever it stands.
#[inline]
fn any(text: &[u8], finds: impl Fn(u64) -> u64) -> bool {
    let Some(last) = text.last_chunk() else { return finds(short(text)) != 0 };
    let (words, _) = text.as_chunks();
    // The last word looks at some bytes for the second time.
    let last = finds(u64::from_ne_bytes(*last));
    words.iter().fold(last, |found, word| found | finds(u64::from_ne_bytes(*word))) != 0
}

/// Every byte of less than eight, and spaces.
#[inline]
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) | u64::from(u32::from_ne_bytes(*last)) << 32;
    }
    let mut word = [b' '; 8];
    for (to, from) in word.iter_mut().zip(text) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for length in 0..=40 {
            let plain = vec![b'a'; length];
            assert!(is_plain(&plain) && is_plain_name(&plain), "{length}");
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = plain.clone();
                    text[place] = byte;
                    let is_text = byte.is_ascii() && byte != 0;
                    let is_wildcard = matches!(byte, b'+' | b'#');
                    assert_eq!(is_plain(&text), is_text, "{byte} at {place} of {length}");
                    assert_eq!(
                        is_plain_name(&text),
                        is_text && !is_wildcard,
                        "{byte} at {place} of {length}"
                    );
                }
            }
        }
    }
}
