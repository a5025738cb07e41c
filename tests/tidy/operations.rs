//! Alerts, dashboard and runbook know the same things: each metric is documented and shown, each alert has
//! its section in `docs/operations.md`, and the other way round.
//!
//! The rules are read line by line, as far as that goes: whether they are PromQL, `promtool` says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A metric, as `docs/metrics.md` has it.
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// Texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn documented() -> BTreeMap<String, Metric> {
    let metrics = read("docs/metrics.md");
    let rows = metrics.lines().filter(|line| line.starts_with("| `saem_"));
    let metric = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = quoted(cells[3]).map(str::to_owned).collect();
        (quoted(cells[1]).next().unwrap().to_owned(), Metric { kind: cells[2].to_owned(), labels })
    };
    rows.map(metric).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Every metric of ours that an expression names, with what stands in braces behind it.
fn named(expr: &str) -> Vec<(&str, &str)> {
    let starts = expr.match_indices("saem_").map(|(at, _)| at);
    let starts = starts.filter(|&at| !expr[..at].ends_with(is_word));
    starts
        .map(|at| {
            let end = expr[at..].find(|c| !is_word(c)).map_or(expr.len(), |len| at + len);
            let braces = expr[end..].strip_prefix('{').map_or("", |rest| rest.split('}').next().unwrap());
            (&expr[at..end], braces)
        })
        .collect()
}

/// The labels of `a="b", c=~"d"`. A value that holds a comma is none of ours.
fn labels(braces: &str) -> impl Iterator<Item = &str> {
    let matchers = braces.split(',').filter(|matcher| !matcher.trim().is_empty());
    matchers.map(|matcher| matcher.trim().split(|c| !is_word(c)).next().unwrap())
}

/// Says what is wrong with an expression; answers the metrics that it uses.
fn checked(expr: &str, metrics: &BTreeMap<String, Metric>, found: &mut Vec<String>) -> Vec<String> {
    let mut used = Vec::new();
    for (name, braces) in named(expr) {
        let parts = ["_bucket", "_sum", "_count"].into_iter().filter_map(|end| name.strip_suffix(end));
        let histogram =
            parts.into_iter().find(|base| metrics.get(*base).is_some_and(|m| m.kind == "histogram"));
        let base = histogram.unwrap_or(name);
        let Some(metric) = metrics.get(base) else {
            found.push(format!("{name} is not in docs/metrics.md: {expr}"));
            continue;
        };
        if metric.kind == "histogram" && histogram.is_none() {
            found.push(format!("{name} is a histogram: _bucket, _sum or _count: {expr}"));
        }
        // What Prometheus itself adds.
        let known = |label: &str| ["job", "instance", "le"].contains(&label) || metric.labels.contains(label);
        found.extend(
            labels(braces).filter(|label| !known(label)).map(|label| format!("{name} has no {label}")),
        );
        used.push(base.to_owned());
    }
    used
}

/// An alert: its name, and the lines of its rule.
fn alerts() -> Vec<(String, String)> {
    let rules = read("deploy/prometheus/alerts.yaml");
    let parts = rules.split("- alert: ").skip(1);
    parts
        .map(|rule| {
            let (name, rest) = rule.split_once('\n').unwrap();
            (name.trim().to_owned(), rest.to_owned())
        })
        .collect()
}

/// A key's value in a rule, with the lines that are indented below it.
fn value(rule: &str, key: &str) -> Option<String> {
    let mut lines = rule.lines().skip_while(|line| !line.trim_start().starts_with(&format!("{key}: ")));
    let first = lines.next()?;
    let indent = |line: &str| line.len() - line.trim_start().len();
    let more = lines.take_while(|line| line.trim().is_empty() || indent(line) > indent(first));
    let (_, own) = first.split_once(": ")?;
    Some([own].into_iter().chain(more).collect::<Vec<_>>().join("\n"))
}

/// The sections of the runbook's last chapter.
fn sections() -> BTreeMap<String, String> {
    let runbook = read("docs/operations.md");
    let (_, alerts) = runbook.split_once("\n## Alerts\n").unwrap();
    let parts = alerts.split("\n### ").skip(1).map(|part| part.split_once('\n').unwrap());
    parts.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn alerts_use_only_what_is_documented_and_say_enough() {
    let (metrics, alerts) = (documented(), alerts());
    assert!(alerts.len() >= 20, "the rules are read");
    let (mut found, mut names) = (Vec::new(), BTreeSet::new());
    for (name, rule) in &alerts {
        if !names.insert(name) {
            found.push(format!("{name} is there twice"));
        }
        let expr = value(rule, "expr").unwrap_or_default();
        if checked(&expr, &metrics, &mut found).is_empty() && !expr.contains("up{") {
            found.push(format!("{name} looks at nothing"));
        }
        let severity = value(rule, "severity").unwrap_or_default();
        if !["critical", "warning"].contains(&severity.as_str()) {
            found.push(format!("{name} is neither critical nor a warning"));
        }
        let missing = ["for", "summary", "description"].into_iter().filter(|key| value(rule, key).is_none());
        found.extend(missing.map(|key| format!("{name} has no {key}")));
        let runbook = format!("docs/operations.md#{}", name.to_lowercase());
        if value(rule, "runbook").as_deref().map(str::trim) != Some(runbook.as_str()) {
            found.push(format!("{name} leads not to {runbook}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let sections = sections();
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    assert_eq!(sections.keys().cloned().collect::<BTreeSet<_>>(), alerts);
    for (name, text) in sections {
        for part in ["- **Means.**", "- **Look.**", "- **Do.**"] {
            assert!(text.contains(part), "{name} does not say: {part}");
        }
    }
}

#[test]
fn links_within_the_runbook_lead_somewhere() {
    let runbook = read("docs/operations.md");
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect::<String>()
    };
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<String> =
        headings.map(|line| anchor(line.trim_start_matches(['#', ' ']))).collect();
    for link in runbook.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(anchors.contains(link), "#{link} leads nowhere");
    }
}

#[test]
fn the_dashboard_shows_every_metric_and_nothing_else() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/saem.json")).unwrap();
    let metrics = documented();
    let (mut found, mut shown, mut ids) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        if !ids.insert(panel["id"].as_u64().unwrap()) {
            found.push(format!("{title} has somebody else's id"));
        }
        if panel["type"] == "row" {
            continue;
        }
        for (what, path) in [("unit", "/fieldConfig/defaults/unit"), ("description", "/description")] {
            if panel.pointer(path).and_then(Value::as_str).is_none_or(|text| text.is_empty()) {
                found.push(format!("{title} has no {what}"));
            }
        }
        for target in panel["targets"].as_array().unwrap() {
            shown.extend(checked(target["expr"].as_str().unwrap(), &metrics, &mut found));
            if target["datasource"]["uid"] != "${DS_PROMETHEUS}" {
                found.push(format!("{title} asks a data source of its own"));
            }
        }
    }
    found.extend(
        metrics.keys().filter(|name| !shown.contains(*name)).map(|name| format!("{name} is not shown")),
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_is_wrong_with_an_expression_is_found() {
    let metrics = documented();
    for (expr, wrong) in [
        ("sum(saem_nonsense)", "saem_nonsense is not in docs/metrics.md"),
        ("saem_ready_total > 0", "saem_ready_total is not in"),
        ("rate(saem_store_sync_seconds[5m])", "is a histogram"),
        ("saem_ready_bucket", "saem_ready_bucket is not in"),
        ("saem_context_paused{kind=\"product\"}", "saem_context_paused has no kind"),
    ] {
        let mut found = Vec::new();
        checked(expr, &metrics, &mut found);
        assert!(found.len() == 1 && found[0].contains(wrong), "{expr}: {found:?}");
    }
    let mut found = Vec::new();
    let good =
        r#"rate(saem_store_sync_seconds_bucket{job="saem", le="1"}[5m]) / saem_context_paused{context="a"}"#;
    assert_eq!(checked(good, &metrics, &mut found), ["saem_store_sync_seconds", "saem_context_paused"]);
    assert!(found.is_empty(), "{found:?}");
}
