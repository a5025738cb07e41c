//! `saem config`: checks, shows and lists settings.

use clap::{Args, Subcommand};
use saem::internal::config::{Settings, reference};

use super::{Failure, output::print};

#[derive(Subcommand)]
pub(crate) enum Config {
    /// Validate the settings and list all errors.
    Check(SettingsFile),
    /// Print the current settings as TOML, without secrets.
    Show(SettingsFile),
    /// Print all settings with their defaults as Markdown.
    Reference {
        /// Print a TOML file with all defaults, commented out, instead of Markdown.
        #[arg(long)]
        toml: bool,
    },
}

#[derive(Args)]
pub(crate) struct SettingsFile {
    /// Read settings from this TOML file. The environment overrides it.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

impl SettingsFile {
    fn load(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(self.config.as_deref(), &[])?)
    }
}

impl Config {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Check(file) => {
                print(format_args!("{} settings, all valid\n", file.load()?.settings().len()))
            }
            Self::Show(file) => print(reference::toml(&file.load()?.settings(), false)),
            Self::Reference { toml: true } => print(reference::toml(&Settings::default().settings(), true)),
            Self::Reference { toml: false } => print(reference::markdown()),
        }
    }
}
