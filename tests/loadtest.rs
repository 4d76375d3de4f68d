//! The load tester against the real binary: what it says of a gateway that does well, and of what it may not load.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get ends it")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const SUARA: &str = env!("CARGO_BIN_EXE_suara");
/// A machine that is busy with other tests may starve the gateway until voice is too old to be delivered.
const ATTEMPTS: usize = 3;
/// A start takes less than this on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Gateway {
    process: Child,
    http: String,
}

impl Gateway {
    /// Starts one on free ports, and waits until it serves.
    fn start(data: &Path) -> Self {
        Self::start_as("gateway", data, &[])
    }

    /// Alone, or with a bridge (`serve`).
    fn start_as(role: &str, data: &Path, more: &[&str]) -> Self {
        let any = "127.0.0.1:0";
        let process = Command::new(SUARA)
            .args([
                role,
                "--rtc",
                any,
                "--http",
                any,
                "--webtransport",
                any,
                "--metrics",
                any,
                "--log",
                "warn",
                "--data",
            ])
            .arg(data)
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let addresses = loop {
            assert!(begin.elapsed() < PATIENCE, "the gateway doesn't start");
            match std::fs::read(data.join("addresses.json")) {
                Ok(addresses) => break addresses,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let addresses: Value = serde_json::from_slice(&addresses).unwrap();
        while !is_ready(addresses["http"].as_str().unwrap()) {
            assert!(begin.elapsed() < PATIENCE, "the gateway isn't ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, http: format!("http://{}", addresses["http"].as_str().unwrap()) }
    }

    fn load(&self, data: &Path, args: &[&str]) -> Output {
        Command::new(SUARA)
            .arg("loadtest")
            .args(args)
            .args(["--url", &self.http, "--data"])
            .arg(data)
            .output()
            .unwrap()
    }
}

/// Whether `/readyz` says so.
fn is_ready(http: &str) -> bool {
    let mut stream = TcpStream::connect(http).unwrap();
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.starts_with("HTTP/1.1 200")
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_small_flood_is_delivered_whole() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path());
    let pid = gateway.process.id().to_string();
    let (json, page) = (data.path().join("flood.json"), data.path().join("flood.html"));
    let (json_path, page_path) = (json.to_str().unwrap(), page.to_str().unwrap());
    let args = ["flood", "--listeners", "20", "--seconds", "2", "--server-pid", &pid];
    let report = (0..ATTEMPTS)
        .map(|_| {
            let run =
                gateway.load(data.path(), &[&args[..], &["--json", json_path, "--html", page_path]].concat());
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            serde_json::from_slice::<Value>(&std::fs::read(&json).unwrap()).unwrap()
        })
        .find(|report| report["delivered"] == report["expected"])
        .expect("whatever was expected is delivered");
    assert_eq!(report["sessions"], 21);
    assert_eq!(report["sent"], 100, "50 frames a second for 2 s");
    assert_eq!(report["expected"], 2000, "each to 20 listeners");
    assert_eq!(report["lost"], 0);
    assert!(report["latency_us"]["p50"].as_u64().unwrap() > 0);
    assert!(report["server"]["cpu_us_per_delivered"].as_f64().unwrap() > 0.0);
    assert!(std::fs::read_to_string(&page).unwrap().contains("</html>"));
}

#[test]
fn a_flood_to_listeners_by_websocket_is_delivered_whole() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path());
    let json = data.path().join("flood.json");
    let args = ["flood", "--road", "websocket", "--listeners", "20", "--seconds", "2", "--json"];
    let report = (0..ATTEMPTS)
        .map(|_| {
            let run = gateway.load(data.path(), &[&args[..], &[json.to_str().unwrap()]].concat());
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            serde_json::from_slice::<Value>(&std::fs::read(&json).unwrap()).unwrap()
        })
        .find(|report| report["delivered"] == report["expected"])
        .expect("whatever was expected is delivered");
    assert_eq!(report["sessions"], 21);
    assert_eq!(report["expected"], 2000, "each to 20 listeners");
}

#[test]
fn the_load_is_signed_with_the_secret_that_the_gateway_was_given() {
    let data = tempfile::tempdir().unwrap();
    let secret = data.path().join("own.secret");
    std::fs::write(&secret, "a secret that a deployment has made").unwrap();
    let given = ["--jwt-secret-file", secret.to_str().unwrap()];
    let gateway = Gateway::start_as("serve", data.path(), &given);
    for scenario in [
        &["flood", "--listeners", "2"][..],
        &["churn", "--listeners", "2", "--churn", "2"],
        &["socketio", "--listeners", "2"],
        &["mixed", "--listeners", "2", "--legacy-listeners", "2"],
        &["rtc", "--listeners", "2", "--rtc-listeners", "2"],
        &["livechat", "--visitors", "2"],
    ] {
        let args = [scenario, &["--seconds", "1"], &given].concat();
        let run = gateway.load(data.path(), &args);
        let said = String::from_utf8_lossy(&run.stderr);
        // How fast it was on a busy machine is not what is asked.
        assert!(
            run.status.success() || said.contains("not everything is as it should be"),
            "{scenario:?}: {said}"
        );
        let run = gateway.load(data.path(), &args[..args.len() - given.len()]);
        assert!(String::from_utf8_lossy(&run.stderr).contains("is --data the gateway's own"), "{scenario:?}");
    }
}

/// Runs `loadtest kpi` with one burst in one cell by WebTransport alone; its only row.
fn kpi(gateway: &Gateway, data: &Path, rtt: &str, more: &[&str]) -> Value {
    let json = data.join("kpi.json");
    let args = ["kpi", "--rtt", rtt, "--loss", "0", "--bursts", "1", "--channels", "1", "--json"];
    let run = gateway.load(data, &[&args[..], &[json.to_str().unwrap()], more].concat());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["leg"], "both");
    report["rows"].clone()
}

#[test]
fn the_kpis_of_each_pair_are_measured_by_ear() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path());
    let rows = kpi(&gateway, data.path(), "40", &[]);
    // A gateway alone has no bridge.
    assert_eq!(rows.as_array().unwrap().len(), 4);
    for row in rows.as_array().unwrap() {
        assert_eq!(
            (&row["rtt_ms"], &row["bursts"], &row["unheard"]),
            (&40.into(), &1.into(), &0.into()),
            "{row}"
        );
        let least = |kpi: &str| row[kpi].as_f64().unwrap();
        // Nothing is faster than the path is.
        assert!(least("kpi1_p95_ms") >= 40.0 && least("kpi4_p95_ms") >= 40.0, "{row}");
        assert!(least("kpi2_p95_ms") >= 40.0 && least("kpi3_p95_ms") >= 40.0, "{row}");
        for whole in ["clipped_start_ms", "clipped_end_ms", "concealed"] {
            assert!(row[whole].is_number(), "{row}");
        }
    }
}

#[test]
fn a_first_syllable_that_is_lost_is_seen() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(data.path());
    let fault = ["--roads", "webtransport", "--no-talk-ahead", "--earlier", "0"];
    let rows = kpi(&gateway, data.path(), "100", &fault);
    let clipped = rows[0]["clipped_start_ms"].as_u64().unwrap();
    // What is said in a round trip, less the frame that is not whole then, and less one that the codec's delay reaches into.
    assert!(clipped >= 60, "{rows}");
    let json = data.path().join("kpi.json");
    let args =
        ["kpi", "--rtt", "100", "--loss", "0", "--bursts", "1", "--channels", "1", "--check", "--json"];
    let run = gateway.load(data.path(), &[&args[..], &[json.to_str().unwrap()], &fault].concat());
    assert!(!run.status.success(), "a target is missed");
    assert!(String::from_utf8_lossy(&run.stdout).contains("clipped start"));
}

#[test]
fn webrtc_listeners_hear_all_that_webtransport_listeners_hear() {
    let data = tempfile::tempdir().unwrap();
    let gateway = Gateway::start_as("serve", data.path(), &[]);
    let json = data.path().join("rtc.json");
    let args =
        ["rtc", "--listeners", "10", "--rtc-listeners", "10", "--seconds", "2", "--ramp", "20", "--json"];
    let report = (0..ATTEMPTS)
        .map(|_| {
            let run = gateway.load(data.path(), &[&args[..], &[json.to_str().unwrap()]].concat());
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
            serde_json::from_slice::<Value>(&std::fs::read(&json).unwrap()).unwrap()
        })
        .find(|report| report["delivered"] == report["expected"])
        .expect("whatever was expected is delivered");
    assert_eq!(report["sessions"], 21);
    assert_eq!(report["expected"], 2000, "each to 20 listeners");
}

#[test]
fn another_machine_is_not_loaded() {
    let data = tempfile::tempdir().unwrap();
    for scenario in ["flood", "churn", "attack", "socketio", "mixed", "rtc", "kpi"] {
        let run = Command::new(SUARA)
            .args(["loadtest", scenario, "--url", "http://192.0.2.1:8080", "--data"])
            .arg(data.path())
            .output()
            .unwrap();
        assert!(!run.status.success());
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.contains("loopback only"), "{scenario}: {said}");
    }
}
