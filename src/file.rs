//! The configuration file, as it was written: the flags' names as keys, and the settings of channels.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use serde::Deserialize;
use suara_channel::{ChannelMode, Settings};
use suara_gateway::hub::ChannelSettings;
use wildmatch::WildMatch;

use crate::cli::{LegacyService, LogFormat};

/// Where the file is looked for when nobody says.
const DEFAULT_PATH: &str = "suara.toml";

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ConfigFile {
    pub(crate) http: Option<SocketAddr>,
    pub(crate) webtransport: Option<Vec<SocketAddr>>,
    pub(crate) webtransport_announce: Option<String>,
    pub(crate) rtc: Option<SocketAddr>,
    pub(crate) rtc_announce: Option<String>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) origin: Option<Vec<String>>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) jwt_secret_file: Option<PathBuf>,
    pub(crate) jwt_keys: Option<PathBuf>,
    pub(crate) jwt_issuer: Option<String>,
    pub(crate) jwt_audience: Option<String>,
    pub(crate) auth_url: Option<String>,
    pub(crate) drain: Option<u64>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) max_sessions: Option<usize>,
    pub(crate) private_calls: Option<bool>,
    pub(crate) emergency_channel: Option<String>,
    pub(crate) emergency_microphone_ms: Option<u64>,
    pub(crate) workers: Option<usize>,
    pub(crate) mtu: Option<u16>,
    pub(crate) qlog: Option<PathBuf>,
    pub(crate) database: Option<String>,
    pub(crate) gateway: Option<String>,
    pub(crate) trunk_token_file: Option<PathBuf>,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) legacy_anonymous: Option<Vec<LegacyService>>,
    pub(crate) guest_channel: Option<Vec<String>>,
    pub(crate) redis: Option<String>,
    pub(crate) redis_prefix: Option<String>,
    pub(crate) redis_orders: Option<bool>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) peer_announce: Option<String>,
    pub(crate) peer_secret_file: Option<PathBuf>,
    pub(crate) livechat_hours: Option<u64>,
    pub(crate) livechat_staff: Option<Vec<String>>,
    pub(crate) trusted_proxy: Option<Vec<IpNet>>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: Option<LogFormat>,
    #[serde(default)]
    pub(crate) channel: Vec<ChannelSection>,
}

/// `[[channel]]`: settings of the channels whose name matches; the first that matches counts.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ChannelSection {
    name: String,
    t1_ms: Option<u64>,
    t2_ms: Option<u64>,
    t3_ms: Option<u64>,
    t4_ms: Option<u64>,
    warning_ms: Option<u64>,
    emergency_grace_ms: Option<u64>,
    presence_grace_ms: Option<u64>,
    mode: Option<Mode>,
    max_talkers: Option<usize>,
    queue: Option<usize>,
    pre_emption: Option<bool>,
    max_members: Option<usize>,
}

/// How many may talk at a time, and who.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Ptt,
    Dual,
    Open,
}

impl From<Mode> for ChannelMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Ptt => Self::Ptt,
            Mode::Dual => Self::Dual,
            Mode::Open => Self::Open,
        }
    }
}

impl ConfigFile {
    /// Reads `path`, or the default one if it is there.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let (path, needed) = path.map_or((Path::new(DEFAULT_PATH), false), |path| (path, true));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !needed => {
                return Ok(Self::default());
            }
            Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
        };
        toml::from_str(&text).with_context(|| format!("{} can't be understood", path.display()))
    }

    pub(crate) fn channels(&self) -> ChannelSettings {
        self.channel.iter().map(|section| (WildMatch::new(&section.name), section.settings())).collect()
    }
}

impl ChannelSection {
    fn settings(&self) -> Settings {
        let default = Settings::default();
        let millis = |value: Option<u64>, default| value.map_or(default, Duration::from_millis);
        Settings {
            t1: millis(self.t1_ms, default.t1),
            t2: millis(self.t2_ms, default.t2),
            t3: millis(self.t3_ms, default.t3),
            t4: self.t4_ms.filter(|ms| *ms > 0).map(Duration::from_millis),
            warning: millis(self.warning_ms, default.warning),
            emergency_grace: millis(self.emergency_grace_ms, default.emergency_grace),
            presence_grace: millis(self.presence_grace_ms, default.presence_grace),
            mode: self.mode.map_or(default.mode, ChannelMode::from),
            max_talkers: self.max_talkers.unwrap_or(default.max_talkers),
            queue_depth: self.queue.unwrap_or(default.queue_depth),
            pre_emption: self.pre_emption.unwrap_or(default.pre_emption),
            max_members: self.max_members.unwrap_or(default.max_members).min(default.max_members),
            ..default
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_flags_names_and_sections_of_channels() {
        let file: ConfigFile = toml::from_str(
            "http = '127.0.0.1:9000'\nlog-format = 'json'\n[[channel]]\nname = 'ops*'\nt2-ms = 60000\n",
        )
        .unwrap();
        assert_eq!(file.http, Some("127.0.0.1:9000".parse().unwrap()));
        let (pattern, settings) = &file.channels()[0];
        assert!(pattern.matches("ops-1"));
        assert_eq!((settings.t2, settings.t1), (Duration::from_secs(60), Duration::from_secs(4)));
    }

    #[test]
    fn a_channel_has_its_rules() {
        let file: ConfigFile = toml::from_str(
            "[[channel]]\nname = '*'\nmode = 'dual'\nqueue = 0\npre-emption = false\nwarning-ms = 0\n\
             presence-grace-ms = 3000\nt4-ms = 60000\n",
        )
        .unwrap();
        let (_, settings) = &file.channels()[0];
        let Settings { mode, queue_depth, pre_emption, warning, .. } = *settings;
        assert_eq!((mode, queue_depth, pre_emption), (ChannelMode::Dual, 0, false));
        assert!(warning.is_zero());
        assert_eq!(settings.presence_grace, Duration::from_secs(3));
        assert_eq!(settings.t4, Some(Duration::from_secs(60)));
        assert!(toml::from_str::<ConfigFile>("[[channel]]\nname = '*'\nmode = 'other'\n").is_err());
    }

    #[test]
    fn a_misspelt_setting_is_an_error() {
        assert!(toml::from_str::<ConfigFile>("htttp = '127.0.0.1:9000'").is_err());
    }
}
