//! What a process costs: its time on the cores and its resident memory, read from `/proc`.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::LoadError;

/// A process that is watched.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
    tick: Duration,
}

/// A look at a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    /// When, on the run's clock.
    pub at: u64,
    /// Its time on the cores so far, user and kernel.
    pub cpu: Duration,
    /// Its resident memory in bytes.
    pub resident: u64,
}

impl Process {
    /// Watches the process of that number.
    ///
    /// # Errors
    /// When there is none, or it may not be looked at.
    pub fn watch(pid: u32) -> Result<Self, LoadError> {
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
        let process = Self { pid, tick: Duration::from_secs(1) / ticks as u32 };
        process.look(0).map_err(|source| LoadError::Process { pid, source })?;
        Ok(process)
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it is gone.
    pub fn look(&self, at: u64) -> std::io::Result<Sample> {
        let odd = || std::io::Error::other("/proc says something unexpected");
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let ticks = ticks(&stat).ok_or_else(odd)?;
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).ok_or_else(odd)?;
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as u64;
        Ok(Sample { at, cpu: self.tick * ticks, resident: pages * page })
    }
}

/// A server's threads that carry voice are named so, with a number behind.
const WORKER: &str = "voice-";

impl Process {
    /// What each of the threads that carry voice has used so far; none, if the process has no such threads.
    #[must_use]
    pub fn workers(&self) -> BTreeMap<String, Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        let used = |task: std::fs::DirEntry| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            let name = name.trim_end();
            name.starts_with(WORKER).then_some((name.to_owned(), self.tick * ticks(&stat)?))
        };
        tasks.filter_map(used).collect()
    }
}

/// User and kernel time in ticks; the process's name before them may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

/// Packets that the kernel dropped at UDP sockets on these local ports, because nobody read them in time.
#[must_use]
pub fn dropped_packets(ports: &[u16]) -> u64 {
    let tables =
        ["/proc/net/udp", "/proc/net/udp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| drops(line, ports)).sum()
}

fn drops(line: &str, ports: &[u16]) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (_, port) = fields.nth(1)?.split_once(':')?;
    let ours = ports.contains(&u16::from_str_radix(port, 16).ok()?);
    ours.then(|| fields.last()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_no_obstacle() {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194304 9 0 0 0 123 77 0 0 20 0 8 0 100 1 2";
        assert_eq!(ticks(stat), Some(200));
    }

    #[test]
    fn drops_are_counted_at_our_own_ports() {
        let line =
            " 7: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 12 2 0000 42";
        assert_eq!(drops(line, &[8080]), Some(42));
        assert_eq!(drops(line, &[8081]), None);
    }

    #[test]
    fn this_process_has_memory() {
        let me = Process::watch(std::process::id()).unwrap();
        assert!(me.look(5).unwrap().resident > 100_000);
        assert!(matches!(Process::watch(u32::MAX), Err(LoadError::Process { .. })));
    }
}
