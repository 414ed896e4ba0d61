//! Strings and numbers as JSON text.

/// What cannot stand in a JSON string as it is.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Whether any of eight bytes is special.
fn any_special(bytes: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let word = u64::from_le_bytes(bytes);
    // The highest bit of some byte is set if one of them is less than `least`, and of none otherwise.
    let less = |word: u64, least: u64| word.wrapping_sub(least * ONES) & !word & TOPS;
    let is = |letter: u8| less(word ^ (u64::from(letter) * ONES), 1);
    less(word, 0x20) | is(b'"') | is(b'\\') != 0
}

/// Whether there is nothing special in less than sixteen bytes.
fn is_plain(bytes: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return !any_special(*first) && !any_special(*last);
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => !any_special([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => !bytes.iter().any(|byte| is_special(*byte)),
    }
}

/// How many bytes there are before the first special one.
fn plain(bytes: &[u8]) -> usize {
    let (parts, rest) = bytes.as_chunks::<16>();
    // Without a way out of the loop, so that sixteen bytes are looked at at once.
    let clean = |part: &&[u8; 16]| !part.iter().fold(false, |any, byte| any | is_special(*byte));
    let clean = parts.iter().take_while(clean).count();
    if clean == parts.len() && is_plain(rest) {
        return bytes.len();
    }
    let at = 16 * clean;
    bytes[at..].iter().position(|byte| is_special(*byte)).map_or(bytes.len(), |more| at + more)
}

/// Adds a string with its quotes.
pub(crate) fn put_str(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    loop {
        let at = plain(rest);
        out.extend_from_slice(&rest[..at]);
        let Some(special) = rest.get(at) else { break };
        put_special(out, *special);
        rest = &rest[at + 1..];
    }
    out.push(b'"');
}

#[cold]
fn put_special(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            return out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Adds a whole number.
pub(crate) fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
