//! Voice quality by ITU-T P.862.2, which a Python package computes.

use std::path::Path;
use std::process::{Command, Stdio};

use super::sound::Burst;
use crate::LoadError;
use crate::error::Tried;

/// Reads both sounds as raw samples, one after the other.
const SCRIPT: &str = "import sys, numpy, pesq
raw = numpy.frombuffer(sys.stdin.buffer.read(), dtype='<i2')
print(pesq.pesq(16000, raw[:len(raw) // 2], raw[len(raw) // 2:], 'wb'))
";

/// Rates what was heard, where the burst begins at sample `at`.
///
/// # Errors
/// When the interpreter doesn't run, or has no package `pesq`.
pub(super) fn rate(python: &Path, burst: &Burst, heard: &[i16], at: isize) -> Result<f64, LoadError> {
    let aligned = (0..burst.pcm.len() as isize).map(|n| {
        usize::try_from(at + n).ok().and_then(|place| heard.get(place)).copied().unwrap_or_default()
    });
    let samples = burst.pcm.iter().copied().chain(aligned);
    let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let file = std::env::temp_dir().join(format!("suara-pesq-{}.raw", std::process::id()));
    std::fs::write(&file, bytes).tried("can't write what is to be rated")?;
    let input = std::fs::File::open(&file).tried("can't read what is to be rated")?;
    let run = Command::new(python).args(["-c", SCRIPT]).stdin(Stdio::from(input)).output();
    std::fs::remove_file(&file).unwrap_or_default();
    let run = run.tried(format!("{} doesn't run", python.display()))?;
    let said = String::from_utf8_lossy(&run.stdout);
    said.trim().parse().map_err(|_| {
        let why = String::from_utf8_lossy(&run.stderr);
        LoadError::Settings(format!("no PESQ: {}", why.lines().last().unwrap_or("it said nothing")))
    })
}
