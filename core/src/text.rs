//! Quick looks at text, eight bytes at a time: most text is plain ASCII, and what is not is looked at closely
//! elsewhere.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
/// What comes right behind `+`: the wildcards and zero are below.
const BEHIND: u64 = u64::from_ne_bytes([b'+' + 1; 8]);
/// `+` and `#` differ in this bit alone.
const WILDCARD_BIT: u64 = u64::from_ne_bytes([b'+' ^ b'#'; 8]);
const WILDCARDS: u64 = u64::from_ne_bytes([b'+' | b'#'; 8]);

/// Whether all of it is ASCII without U+0000.
#[inline]
pub(crate) fn is_plain(text: &[u8]) -> bool {
    // Of ASCII only zero has the highest bit set by taking one away.
    !any(text, |word| word.wrapping_sub(ONES) | word)
}

/// Whether all of it is ASCII without U+0000, `+` and `#`.
#[inline(never)] // It needs registers that its callers need too.
pub(crate) fn is_plain_name(text: &[u8]) -> bool {
    // Letters, digits and most of what topics are made of need no more than the first look.
    !any(text, |word| word.wrapping_sub(BEHIND) | word)
        || !any(text, |word| word.wrapping_sub(ONES) | wildcards(word).wrapping_sub(ONES) | word)
}

/// Zero where a wildcard is.
#[inline]
fn wildcards(word: u64) -> u64 {
    (word | WILDCARD_BIT) ^ WILDCARDS
}

/// Whether `finds` gives a highest bit for any eight bytes of `text`. It must find nothing in letters, and the same
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

/// Every byte of less than eight, and letters.
#[inline]
fn short(text: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) | u64::from(u32::from_ne_bytes(*last)) << 32;
    }
    let [first, second, third] = match *text {
        [] => [b'a'; 3],
        [first] => [first, b'a', b'a'],
        [first, second] => [first, second, b'a'],
        [first, second, third, ..] => [first, second, third],
    };
    u64::from_ne_bytes([first, second, third, b'a', b'a', b'a', b'a', b'a'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for length in 0..=70 {
            let plain = vec![b'a'; length];
            assert!(is_plain(&plain) && is_plain_name(&plain), "{length}");
            let spaced = vec![b' '; length];
            assert!(is_plain(&spaced) && is_plain_name(&spaced), "{length}");
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
