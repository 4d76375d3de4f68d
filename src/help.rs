//! Whose settings are whose: `--help` of a command shows what it uses. What it doesn't use it takes all the same, for processes
//! of one machine may share an environment and a file.

use clap::{CommandFactory, FromArgMatches};

use crate::cli::Cli;

/// Settings that a gateway alone uses.
const GATEWAY: [&str; 16] = [
    "webtransport",
    "webtransport_announce",
    "jwt_secret_file",
    "jwt_keys",
    "jwt_issuer",
    "jwt_audience",
    "auth_url",
    "max_sessions",
    "private_calls",
    "emergency_channel",
    "emergency_microphone_ms",
    "workers",
    "mtu",
    "database",
    "qlog",
    "livechat_hours",
];
/// Settings of a gateway's guests, who come by a bridge; the bridge doesn't read them.
const GUESTS: [&str; 1] = ["guest_channel"];
/// Settings that a bridge alone uses.
const BRIDGE: [&str; 9] = [
    "rtc",
    "rtc_announce",
    "trunk_token_file",
    "sample_rate",
    "redis_orders",
    "peer",
    "peer_announce",
    "peer_secret_file",
    "trusted_proxy",
];
/// What only a bridge in a process of its own has to be told.
const BRIDGE_ALONE: [&str; 1] = ["gateway"];

/// The command line of this process.
pub(crate) fn parse() -> Cli {
    let matches = command().get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn command() -> clap::Command {
    let cli = Cli::command().mut_subcommand("serve", |serve| without(serve, &[&BRIDGE_ALONE]));
    let cli = cli.mut_subcommand("gateway", |gateway| without(gateway, &[&BRIDGE, &BRIDGE_ALONE]));
    let cli = cli.mut_subcommand("bridge", |bridge| without(bridge, &[&GATEWAY, &GUESTS]));
    without(cli, &[&BRIDGE_ALONE])
}

fn without(command: clap::Command, hidden: &[&[&str]]) -> clap::Command {
    let names = hidden.iter().flat_map(|names| names.iter());
    names.fold(command, |command, name| command.mut_arg(*name, |arg| arg.hide(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the help of a command shows a flag.
    fn shows(name: &str, flag: &str) -> bool {
        let mut command = command();
        let command = command.find_subcommand_mut(name).unwrap();
        let help = command.render_long_help().to_string();
        help.lines().any(|line| line.trim_start().split(' ').next() == Some(flag))
    }

    #[test]
    fn each_help_shows_what_the_command_uses() {
        for (flag, serve, gateway, bridge) in [
            ("--http", true, true, true),
            ("--redis", true, true, true),
            ("--legacy-anonymous", true, true, true),
            ("--webtransport", true, true, false),
            ("--jwt-secret-file", true, true, false),
            ("--guest-channel", true, true, false),
            ("--rtc", true, false, true),
            ("--peer", true, false, true),
            ("--gateway", false, false, true),
        ] {
            let shown = ["serve", "gateway", "bridge"].map(|name| shows(name, flag));
            assert_eq!(shown, [serve, gateway, bridge], "{flag}");
        }
    }

    #[test]
    fn what_a_command_does_not_use_it_takes_all_the_same() {
        assert!(command().try_get_matches_from(["suara", "gateway", "--rtc", "127.0.0.1:0"]).is_ok());
    }
}
