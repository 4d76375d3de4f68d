//! A PostgreSQL server of the test's own: Debian's, in a directory of its own, on a socket in it and no port.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

pub(crate) struct Server {
    dir: TempDir,
    bin: PathBuf,
    as_root: bool,
    runs: bool,
}

impl Server {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("suara-pg-").tempdir_in("/tmp").unwrap();
        let as_root = is_roots(dir.path());
        let mut server = Self { dir, bin: programs(), as_root, runs: false };
        if as_root {
            // The server refuses to run as root.
            run(Command::new("chown").arg("postgres:").arg(server.dir.path()));
        }
        let data = server.data();
        server.run("initdb", &["-D", &data, "-U", "suara", "-A", "trust", "--no-sync", "-E", "UTF8"]);
        server.start();
        server
    }

    pub(crate) fn start(&mut self) {
        let options = format!("-c listen_addresses= -c unix_socket_directories={}", self.socket());
        let log = format!("{}/log", self.socket());
        self.control("start", &["-o", &options, "-l", &log]);
        self.runs = true;
    }

    pub(crate) fn stop(&mut self) {
        self.control("stop", &["-m", "immediate"]);
        self.runs = false;
    }

    /// The URL of a database of that name, made where it isn't there.
    pub(crate) fn database(&self, name: &str) -> String {
        let name: String = name.chars().take(60).collect();
        if name != "postgres" {
            self.run("createdb", &["-h", &self.socket(), "-U", "suara", &name]);
        }
        format!("postgres://suara@localhost/{name}?host={}", self.socket())
    }

    fn control(&self, command: &str, more: &[&str]) {
        let data = self.data();
        let arguments: Vec<&str> = ["-D", &data, "-w", command].iter().chain(more).copied().collect();
        self.run("pg_ctl", &arguments);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.bin.join(program);
        let mut command = if self.as_root {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        run(command.args(arguments).current_dir(self.dir.path()));
    }

    fn socket(&self) -> String {
        self.dir.path().display().to_string()
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.runs {
            self.control("stop", &["-m", "immediate"]);
        }
    }
}

/// Where the server's programs are: the newest that Debian has, or those of the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.pop().filter(|bin| bin.join("initdb").exists()).unwrap_or_else(|| Path::new("").to_owned())
}

/// Whether `dir`, which this process has made, belongs to root.
fn is_roots(dir: &Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|made| made.uid() == 0)
}

/// With its output in a file, not a pipe: the server that it starts would hold that open.
fn run(command: &mut Command) {
    let said = tempfile::tempfile().unwrap();
    let status = command.stdout(said.try_clone().unwrap()).stderr(said.try_clone().unwrap()).status();
    let status =
        status.unwrap_or_else(|error| panic!("{command:?}: {error}; install the package postgresql"));
    assert!(status.success(), "{command:?}: {}", text(said));
}

fn text(mut file: std::fs::File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}
