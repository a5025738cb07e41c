//! `saem verify`, `saem export`, `saem import`, for data that no server has open.
//!
//! Results go to stdout, progress to stderr.

use std::{
    fs::{File, OpenOptions},
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
        tools::{Counts, ExportError, Files, Progress, Verified, export, import, verify_with},
    },
};

use super::{
    Failure,
    data::Data,
    output::{OutputError, print, print_progress},
};

const BUFFER_BYTES: usize = 256 * 1_024;

/// Error for a store that cannot be read, with a hint.
fn unreadable(directory: &Path, error: &StoreError) -> Failure {
    let hint = match error {
        StoreError::Corrupt(_) => "; restore a backup (docs/operations.md says how)",
        StoreError::Unavailable(_) => "",
    };
    format!("{}: {error}{hint}", directory.display()).into()
}

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    data: Data,
}

impl Verify {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (Settings { store, .. }, backend) = self.data.settings()?;
        let journal = backend.open_at_rest(&store.path, store.options())?;
        let (ledger, images) = (open::ledger_path(&store.path), open::images_path(&store.path));
        let files = Files { ledger, images };
        let mut report = print_progress;
        let verified = verify_with(&journal, &files, &mut Progress::new(&mut report)).await;
        journal.close().await;
        let verified = verified.map_err(|error| unreadable(&store.path, &error));
        let Verified { events, entities, rows, vault, findings, notes } = verified?;
        let summary = format!(
            "{events} events, {entities} entities, {rows} rows of My Page, {vault} records of the vault"
        );
        let listed = findings.listed.iter().map(ToString::to_string);
        let mut lines: Vec<String> = notes.into_iter().chain(listed).collect();
        if findings.is_empty() {
            lines.push(format!("{summary}: all is well\n"));
            return print(lines.join("\n"));
        }
        lines.push(summary + "\n");
        print(lines.join("\n"))?;
        let path = store.path.display();
        let total = findings.listed.len() as u64 + findings.omitted;
        let noun = if total == 1 { "finding" } else { "findings" };
        Err(match findings.omitted {
            0 => format!("{path}: {total} {noun}").into(),
            omitted => format!("{path}: {total} {noun}, of which {omitted} are not listed").into(),
        })
    }
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
            None => export_to(&journal, &files, &mut io::stdout().lock()).await.map_err(|failure| {
                match failure.downcast::<ExportError>().map(|error| *error) {
                    Ok(ExportError::Output(error)) => OutputError(error).into(),
                    Ok(error) => error.into(),
                    Err(failure) => failure,
                }
            }),
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
) -> Result<Counts, Failure> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut report = print_progress;
    Ok(export(journal, files, &mut out, &mut Progress::new(&mut report)).await?)
}

/// Exports to a new file, and removes it if the export fails.
async fn export_to_file(
    journal: &Arc<dyn Journal>,
    files: &[PathBuf],
    path: &Path,
) -> Result<Counts, Failure> {
    let with_path = |error: io::Error| format!("{}: {error}", path.display());
    let mut file: File =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(with_path)?;
    let exported = export_to(journal, files, &mut file).await;
    let exported = match exported {
        Ok(counts) => file.sync_all().map(|()| counts).map_err(|error| with_path(error).into()),
        Err(failure) => Err(failure),
    };
    if exported.is_err() {
        std::fs::remove_file(path).map_err(with_path)?;
    }
    exported
}

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    data: Data,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (Settings { store, .. }, backend) = self.data.settings()?;
        let names = open::exported_names(&store.path);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut input = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
        let open = |directory: &Path| backend.open(directory, store.options());
        let mut report = print_progress;
        let mut progress = Progress::new(&mut report);
        let Counts { events, vault, views, .. } =
            import(&mut input, &store.path, &names, open, &mut progress).await?;
        let path = store.path.display();
        print(format_args!("{path}: {events} events, {vault} records, {views} rows\n"))
    }
}
