//! Strings and numbers as JSON text.

/// What cannot stand in a JSON string as it is.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes there are before the first special one.
fn plain(bytes: &[u8]) -> usize {
    let (parts, _) = bytes.as_chunks::<16>();
    // Without a way out of the loop, so that sixteen bytes are looked at at once.
    let clean = |part: &&[u8; 16]| !part.iter().fold(false, |any, byte| any | is_special(*byte));
    let at = 16 * parts.iter().take_while(clean).count();
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
