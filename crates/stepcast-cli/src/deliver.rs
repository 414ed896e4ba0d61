//! A whole document: to a file, or to standard output.

use std::io::Write;
use std::path::Path;

use crate::error::CliError;
use crate::out;

/// Writes to this file, or to standard output without one or for `-`. Which file it was is said beside the results.
pub(crate) fn deliver(text: &str, file: Option<&Path>) -> Result<(), CliError> {
    match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            std::fs::write(file, text).map_err(|source| {
                CliError::new("SC0100", format!("{} cannot be written.", file.display())).cause(source)
            })?;
            out::note(format!("written to {}", file.display()));
        }
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(())
}
