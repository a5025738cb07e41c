//! The source's load generator: siege, Debian's package.

use std::{collections::BTreeMap, error::Error, fs, path::Path, process::Stdio};

use tokio::process::Command;

/// What siege is told, but for how many customers there are and for how long. A connection a request is its
/// default; with kept ones it does not heed `Connection: close`, and fails at the server's expense.
const SETTINGS: &str = "quiet = true\njson_output = true\nshow-logfile = false\nlogging = false\n\
    protocol = HTTP/1.1\nconnection = close\ncache = false\n\
    timeout = 60\nfailures = 1000000\n";

/// What siege saw.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<String, f64>);

impl Seen {
    /// A figure, by siege's name for it.
    pub fn figure(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(f64::NAN)
    }

    /// Whether nothing failed.
    pub fn nothing_failed(&self) -> bool {
        self.figure("failed_transactions") == 0.0 && self.figure("availability") == 100.0
    }
}

/// Who besieges, and how.
pub struct Siege<'a> {
    /// Where siege can leave its files.
    pub work: &'a Path,
    /// What is asked for.
    pub url: &'a str,
    /// A token and a body, if it is to be posted.
    pub post: Option<(&'a str, &'a str)>,
    /// How many customers there are.
    pub customers: usize,
    /// For how long.
    pub seconds: u64,
    /// Whether customers pause now and then: siege loses a descriptor with each refused connection.
    pub pausing: bool,
}

/// Besieges.
pub async fn besiege(siege: Siege<'_>) -> Result<Seen, Box<dyn Error>> {
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
    // It keeps a configuration of its own at home.
    command.env("HOME", work).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.map_err(|error| format!("siege (Debian's package): {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.find('{').map(|at| &text[at..]);
    let told = || format!("siege ended ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
    let json = json.ok_or_else(told)?;
    Ok(Seen(serde_json::from_str(json)?))
}
