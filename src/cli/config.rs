//! `saem config`: checks, shows and lists settings.

use clap::{Args, Subcommand};
use saem::internal::config::{Settings, reference};

use super::{Failure, output::print};

/// Check, show or list settings.
#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand)]
enum ConfigCommand {
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
struct SettingsFile {
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
        match self.command {
            ConfigCommand::Check(file) => {
                let settings = file.load()?.settings();
                print(format_args!("{} settings, all valid\n", settings.len()))
            }
            ConfigCommand::Show(file) => print(reference::toml(&file.load()?.settings(), false)),
            ConfigCommand::Reference { toml: true } => {
                print(reference::toml(&Settings::default().settings(), true))
            }
            ConfigCommand::Reference { toml: false } => print(reference::markdown()),
        }
    }
}
