//! Strings and numbers as JSON text.

/// What cannot stand in a JSON string as it is.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// So many bytes are looked at without a way out in between, which a compiler makes few instructions of.
const BLOCK: usize = 32;

fn is_plain_block(bytes: &[u8; BLOCK]) -> bool {
    let special = bytes.map(|byte| u8::from(is_special(byte)));
    let (words, _) = special.as_chunks::<8>();
    words.iter().fold(0, |any, word| any | u64::from_ne_bytes(*word)) == 0
}

/// Not 0 if any of eight bytes is special.
fn special_bits(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(bytes);
    // The highest bit of some byte that had none is set if one of them is less than `least`, and of none otherwise.
    let less = |word: u64, least: u64| word.wrapping_sub(least * ONES);
    let is = |letter: u8| less(word ^ (u64::from(letter) * ONES), 1);
    (less(word, 0x20) | is(b'"') | is(b'\\')) & !word & (0x80 * ONES)
}

/// Whether there is nothing special in less than a block.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        return words.iter().fold(special_bits(*last), |any, word| any | special_bits(*word)) == 0;
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some([a, b, c, d]), Some([e, f, g, h])) => special_bits([*a, *b, *c, *d, *e, *f, *g, *h]) == 0,
        _ => !bytes.iter().any(|byte| is_special(*byte)),
    }
}

/// How many bytes there are before the first special one.
fn plain(bytes: &[u8]) -> usize {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let clean = blocks.iter().take_while(|block| is_plain_block(block)).count();
    if clean == blocks.len() {
        let is_plain = match bytes.last_chunk::<BLOCK>() {
            Some(last) => rest.is_empty() || is_plain_block(last),
            None => is_plain(rest),
        };
        if is_plain {
            return bytes.len();
        }
    }
    let at = BLOCK * clean;
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
