//! The load generator siege (package `siege` of Debian).

use std::{collections::BTreeMap, error::Error, fs, path::Path, process::Stdio};

use tokio::process::Command;

/// Settings common to all sieges. Each request has its own connection, as is siege's default: with
/// keep-alive, siege ignores `Connection: close` and counts failures that are its own.
const SETTINGS: &str = "quiet = true\njson_output = true\nshow-logfile = false\nlogging = false\n\
    protocol = HTTP/1.1\nconnection = close\ncache = false\n\
    timeout = 60\nfailures = 1000000\n";

/// Figures that siege reports.
#[derive(Clone, Debug, Default)]
pub struct SiegeReport(BTreeMap<String, f64>);

impl SiegeReport {
    /// A figure by siege's own name; NaN if siege did not report it.
    pub fn figure(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }

    pub fn nothing_failed(&self) -> bool {
        self.figure("failed_transactions") == 0.0 && self.figure("availability") == 100.0
    }
}

/// Settings of one siege.
pub struct Siege<'a> {
    /// Directory for siege's files.
    pub work: &'a Path,
    pub url: &'a str,
    /// Token and body of a POST; `None` for a GET.
    pub post: Option<(&'a str, &'a str)>,
    /// Number of concurrent customers.
    pub customers: usize,
    /// Duration in seconds.
    pub seconds: u64,
    /// `true` if customers pause between requests. Needed where connections are refused: siege leaks a
    /// descriptor with each of them.
    pub pausing: bool,
}

/// Runs siege and returns its report.
pub async fn besiege(siege: Siege<'_>) -> Result<SiegeReport, Box<dyn Error>> {
    let Siege { work, url, post, customers, seconds, pausing } = siege;
    let settings = work.join("siege.conf");
    let pace = if pausing { "benchmark = false\ndelay = 0.1\n" } else { "benchmark = true\n" };
    fs::write(&settings, format!("{SETTINGS}{pace}"))?;
    let mut command = Command::new("siege");
    command.arg("-R").arg(&settings).args([format!("-c{customers}"), format!("-t{seconds}S")]);
    if let Some((token, body)) = post {
        let bearer = format!("Authorization: Bearer {token}");
        command.args(["-H", &bearer, "--content-type", "application/json"]).arg(format!("{url} POST {body}"));
    } else {
        command.arg(url);
    }
    // siege writes its own configuration into the home directory.
    command.env("HOME", work).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("siege (Debian's package): {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.find('{').map(|at| &text[at..]);
    let failure = || format!("siege ended ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
    let json = json.ok_or_else(failure)?;
    Ok(SiegeReport(serde_json::from_str(json)?))
}
