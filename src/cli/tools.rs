//! `saem verify`, `saem export`, `saem import`: what is done to data that no server has.
//!
//! What was found or made is said on stdout, how far long work has got on stderr.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use saem::{
    config::{Settings, open},
    store::{Journal, StoreError},
    tools::{
        Progress,
        export::{ExportError, export},
        import::import,
        lines::Counts,
        verify::{Files, Verified, verify_with},
    },
};

use super::{
    Failure,
    data::Data,
    say::{Unsaid, say, tell},
};

/// Room for a few lines on their way in or out.
const BUFFER_BYTES: usize = 256 * 1_024;

/// What to do about a store that cannot be read.
fn damaged(directory: &Path, error: &StoreError) -> Failure {
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
        let verified = verify_with(&journal, &files, &mut Progress::new(&mut tell)).await;
        journal.close().await;
        let verified = verified.map_err(|error| damaged(&store.path, &error));
        let Verified { events, entities, rows, vault, findings, notes } = verified?;
        let seen = format!(
            "{events} events, {entities} entities, {rows} rows of My Page, {vault} records of the vault"
        );
        let findings_told = findings.told.iter().map(ToString::to_string);
        let mut lines: Vec<String> = notes.into_iter().chain(findings_told).collect();
        if findings.none() {
            lines.push(format!("{seen}: all is well\n"));
            return say(lines.join("\n"));
        }
        lines.push(seen + "\n");
        say(lines.join("\n"))?;
        let found = findings.told.len() as u64 + findings.more;
        let path = store.path.display();
        Err(match findings.more {
            0 => format!("{path}: {found} things are not as they should be").into(),
            more => format!("{path}: {found} things are not as they should be; {more} were not told").into(),
        })
    }
}

#[derive(Args)]
pub(crate) struct Export {
    /// Write to this file, which must not be there yet, for the owner's eyes only; else to stdout.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    data: Data,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (Settings { store, .. }, backend) = self.data.settings()?;
        let journal = backend.open_at_rest(&store.path, store.options())?;
        let beside = open::beside(&store.path);
        let exported = match &self.to {
            Some(to) => to_file(&journal, &beside, to).await,
            None => to(&journal, &beside, &mut io::stdout().lock()).await.map_err(|failure| {
                match failure.downcast::<ExportError>().map(|error| *error) {
                    Ok(ExportError::Out(error)) => Unsaid(error).into(),
                    Ok(error) => error.into(),
                    Err(failure) => failure,
                }
            }),
        };
        journal.close().await;
        let Counts { events, vault, views, .. } = exported?;
        if let Some(to) = &self.to {
            return say(format_args!("{}: {events} events, {vault} records, {views} rows\n", to.display()));
        }
        Ok(())
    }
}

async fn to(journal: &Arc<dyn Journal>, beside: &[PathBuf], out: &mut dyn Write) -> Result<Counts, Failure> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    Ok(export(journal, beside, &mut out, &mut Progress::new(&mut tell)).await?)
}

/// Exports to a new file; one that is not whole does not stay.
async fn to_file(journal: &Arc<dyn Journal>, beside: &[PathBuf], path: &Path) -> Result<Counts, Failure> {
    let named = |error: io::Error| format!("{}: {error}", path.display());
    let mut file: File =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(named)?;
    let exported = to(journal, beside, &mut file).await;
    let exported = match exported {
        Ok(counts) => file.sync_all().map(|()| counts).map_err(|error| named(error).into()),
        Err(failure) => Err(failure),
    };
    if exported.is_err() {
        std::fs::remove_file(path).map_err(named)?;
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
        let mut tell = tell;
        let mut progress = Progress::new(&mut tell);
        let Counts { events, vault, views, .. } =
            import(&mut input, &store.path, &names, open, &mut progress).await?;
        let path = store.path.display();
        say(format_args!("{path}: {events} events, {vault} records, {views} rows\n"))
    }
}
