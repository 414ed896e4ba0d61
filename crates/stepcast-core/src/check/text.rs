use super::fault::Finding;

/// Room for a fault's text in a constant; a longer one is cut off.
const ROOM: usize = 768;

/// The text of a fault, in a buffer that constants can hold.
#[derive(Clone, Copy)]
pub struct FaultText {
    bytes: [u8; ROOM],
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

    pub(super) const fn of(finding: &Finding<'_>, workflow: &str) -> Self {
        let mut bytes = [0; ROOM];
        let mut writer = Writer { bytes: &mut bytes, len: 0, cut: false };
        super::wording::write(&mut writer, finding, workflow);
        let len = writer.len;
        FaultText { bytes, len }
    }
}

impl std::fmt::Debug for FaultText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl std::fmt::Display for FaultText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Writes text into lent bytes, in constants too.
pub(super) struct Writer<'b> {
    bytes: &'b mut [u8],
    len: usize,
    cut: bool,
}

impl Writer<'_> {
    /// Adds a text, or as many whole characters of it as fit.
    pub(super) const fn text(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut end = text.len();
        let room = if self.cut { 0 } else { self.bytes.len() - self.len };
        if end > room {
            end = room;
            self.cut = true;
            // A byte of the form 10xxxxxx continues a character.
            while end > 0 && text[end] & 0xc0 == 0x80 {
                end -= 1;
            }
        }
        let mut i = 0;
        while i < end {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
    }

    /// Adds a name in backticks.
    pub(super) const fn name(&mut self, name: &str) {
        self.text("`");
        self.text(name);
        self.text("`");
    }
}

/// A fault's text, whatever its length.
pub(super) fn full_text(finding: &Finding<'_>, workflow: &str) -> String {
    let mut room = ROOM;
    loop {
        let mut bytes = vec![0; room];
        let mut writer = Writer { bytes: &mut bytes, len: 0, cut: false };
        super::wording::write(&mut writer, finding, workflow);
        let (len, cut) = (writer.len, writer.cut);
        if !cut {
            bytes.truncate(len);
            return String::from_utf8(bytes).unwrap_or_default();
        }
        room *= 2;
    }
}
