/// The text of a fault, in a buffer that constants can hold.
#[derive(Clone, Copy)]
pub struct FaultText {
    bytes: [u8; 768],
    len: usize,
}

impl FaultText {
    /// The text.
    pub const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

impl std::fmt::Debug for FaultText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
