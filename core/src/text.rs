//! Quick looks at text, eight bytes at a time: most text is plain ASCII, and what is not is looked at closely
//! elsewhere.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
/// `+` and `#` differ in this bit alone.
const WILDCARD_BIT: u64 = u64::from_ne_bytes([b'+' ^ b'#'; 8]);
const WILDCARDS: u64 = u64::from_ne_bytes([b'+' | b'#'; 8]);
/// Letters, digits and most marks have one of these bits; neither the wildcards nor U+0000 have.
const USUAL_BITS: u64 = u64::from_ne_bytes([!(b'+' | b'#'); 8]);

/// Whether all of it is ASCII without U+0000.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    // Of ASCII only zero has the highest bit set by taking one away.
    !any(text, |word| word.wrapping_sub(ONES) | word)
}

/// Whether all of it is ASCII without U+0000, `+` and `#`.
#[inline(never)] // It needs registers that its callers need too.
pub(crate) fn is_plain_name(text: &[u8]) -> bool {
    !any(text, |word| (word & USUAL_BITS).wrapping_sub(ONES) | word) || is_unusual_name(text)
}

/// The same for one that may have other marks, such as spaces.
#[cold]
fn is_unusual_name(text: &[u8]) -> bool {
    let wildcards = |word: u64| (word | WILDCARD_BIT) ^ WILDCARDS;
    !any(text, |word| word.wrapping_sub(ONES) | wildcards(word).wrapping_sub(ONES) | word)
}

/// Whether `finds` gives a highest bit for any eight bytes of `text`. It must find nothing in hyphens, and the same
/// wherever it stands.
#[inline]
fn any(text: &[u8], finds: impl Fn(u64) -> u64) -> bool {
    let both = |two: &[u8; 16]| {
        let (words, _) = two.as_chunks();
        finds(u64::from_ne_bytes(words[0])) | finds(u64::from_ne_bytes(words[1]))
    };
    // The last words may look at some bytes for the second time.
    let found = match (text.first_chunk::<16>(), text.last_chunk::<16>()) {
        (Some(first), Some(last)) if text.len() <= 32 => both(first) | both(last),
        (Some(_), Some(last)) => {
            text.as_chunks().0.iter().fold(both(last), |found, chunk| found | both(chunk))
        }
        _ => match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(first), Some(last)) => finds(u64::from_ne_bytes(*first)) | finds(u64::from_ne_bytes(*last)),
            _ => finds(short(text)),
        },
    };
    found & HIGH != 0
}

/// Every byte of less than eight, and hyphens.
#[inline]
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) | u64::from(u32::from_ne_bytes(*last)) << 32;
    }
    let [first, second, third] = match *text {
        [] => [b'-'; 3],
        [first] => [first, b'-', b'-'],
        [first, second] => [first, second, b'-'],
        [first, second, third, ..] => [first, second, third],
    };
    u64::from_ne_bytes([first, second, third, b'-', b'-', b'-', b'-', b'-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for length in 0..=70 {
            for usual in [b'a', b' '] {
                let plain = vec![usual; length];
                assert!(is_plain(&plain) && is_plain_name(&plain), "{length}");
                for (place, byte) in
                    (0..length).flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte)))
                {
                    let mut text = plain.clone();
                    text[place] = byte;
                    let is_text = byte.is_ascii() && byte != 0;
                    let is_name = is_text && !matches!(byte, b'+' | b'#');
                    assert_eq!(is_plain(&text), is_text, "{byte} at {place} of {length}");
                    assert_eq!(is_plain_name(&text), is_name, "{byte} at {place} of {length}");
                }
            }
        }
    }
}
