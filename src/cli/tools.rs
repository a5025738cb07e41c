//! `saem verify`, `saem export`, `saem import`, for data that no server has open.
//!
//! Results go to stdout, progress to stderr.

use std::{
    fs::OpenOptions,
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use saem::{
    Journal, StoreError,
    internal::{
        config::{Settings, open},
        tools::{self, Counts, ExportError, Files, Progress, Verified},
    },
};

use super::{
    Failure,
    data::Data,
    output::{OutputError, print, print_progress},
};

const BUFFER_BYTES: usize = 256 * 1_024;

pub(super) async fn verify(data: &Data) -> Result<(), Failure> {
    let (Settings { store, .. }, backend) = data.settings()?;
    let path = store.path.display();
    let unreadable = |error| match error {
        StoreError::Corrupt(_) => format!("{path}: {error}; restore a backup (docs/operations.md says how)"),
        StoreError::Unavailable(_) => format!("{path}: {error}"),
    };
    let journal = backend.open_at_rest(&store.path, store.options())?;
    let files = Files { ledger: open::ledger_path(&store.path), images: open::images_path(&store.path) };
    let mut report = print_progress;
    let verified = tools::verify(&journal, Some(&files), &mut Progress::new(&mut report)).await;
    journal.close().await;
    let Verified { events, entities, rows, vault, findings, notes } = verified.map_err(unreadable)?;
    let summary =
        format!("{events} events, {entities} entities, {rows} rows of My Page, {vault} records of the vault");
    let listed = findings.listed.iter().map(ToString::to_string);
    let mut lines: Vec<String> = notes.into_iter().chain(listed).collect();
    if findings.is_empty() {
        lines.push(format!("{summary}: all is well\n"));
        return print(lines.join("\n"));
    }
    lines.push(summary + "\n");
    print(lines.join("\n"))?;
    let total = findings.listed.len() as u64 + findings.omitted;
    let noun = if total == 1 { "finding" } else { "findings" };
    Err(match findings.omitted {
        0 => format!("{path}: {total} {noun}").into(),
        omitted => format!("{path}: {total} {noun}, of which {omitted} are not listed").into(),
    })
}

#[derive(Args)]
pub(crate) struct Export {
    /// Write to this new file, readable by its owner only, instead of stdout.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (Settings { store, .. }, backend) = self.data.settings()?;
        let journal = backend.open_at_rest(&store.path, store.options())?;
        let files = open::beside(&store.path);
        let exported = match &self.to {
            Some(path) => export_to_file(&journal, &files, path).await,
            None => {
                export_to(&journal, &files, &mut io::stdout().lock()).await.map_err(|error| match error {
                    ExportError::Output(error) => OutputError(error).into(),
                    error => error.into(),
                })
            }
        };
        journal.close().await;
        let Counts { events, vault, views, .. } = exported?;
        if let Some(to) = &self.to {
            return print(format_args!("{}: {events} events, {vault} records, {views} rows\n", to.display()));
        }
        Ok(())
    }
}

async fn export_to(
    journal: &Arc<dyn Journal>,
    files: &[PathBuf],
    out: &mut dyn Write,
) -> Result<Counts, ExportError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut report = print_progress;
    tools::export(journal, files, &mut out, &mut Progress::new(&mut report)).await
}

/// Exports to a new file, and removes it if the export fails.
async fn export_to_file(
    journal: &Arc<dyn Journal>,
    files: &[PathBuf],
    path: &Path,
) -> Result<Counts, Failure> {
    let with_path = |error: io::Error| format!("{}: {error}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(with_path)?;
    let exported = match export_to(journal, files, &mut file).await {
        Ok(counts) => file.sync_all().map(|()| counts).map_err(|error| with_path(error).into()),
        Err(error) => Err(error.into()),
    };
    if exported.is_err() {
        std::fs::remove_file(path).map_err(with_path)?;
    }
    exported
}

pub(super) async fn import(data: &Data) -> Result<(), Failure> {
    let (Settings { store, .. }, backend) = data.settings()?;
    let names = open::exported_names(&store.path);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
    let open = |directory: &Path| backend.open(directory, store.options());
    let mut report = print_progress;
    let mut progress = Progress::new(&mut report);
    let imported = tools::import(&mut input, &store.path, &names, open, &mut progress).await;
    let Counts { events, vault, views, .. } = imported?;
    let path = store.path.display();
    print(format_args!("{path}: {events} events, {vault} records, {views} rows\n"))
}
