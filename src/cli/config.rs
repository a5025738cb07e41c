//! `saem config`: says what is set, what is wrong with it, and what there is to set.

use clap::{Args, Subcommand};
use saem::config::{Settings, reference};

use super::{Failure, say::say};

/// Settings: check them, show them, or list what there is.
#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Say everything that is wrong with the settings, at once.
    Check(Source),
    /// Show what is set, without secrets, as a TOML file.
    Show(Source),
    /// List every setting with its default, as Markdown.
    Reference {
        /// As a TOML file to begin with, instead.
        #[arg(long)]
        toml: bool,
    },
}

#[derive(Args)]
struct Source {
    /// Read settings from a TOML file; then from the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

impl Source {
    fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::load(self.config.as_deref(), &[])?)
    }
}

impl Config {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Check(source) => {
                let settings = source.settings()?.settings();
                say(format_args!("{} settings, all as they should be\n", settings.len()))
            }
            What::Show(source) => say(reference::toml(&source.settings()?.settings(), false)),
            What::Reference { toml: true } => say(reference::toml(&Settings::default().settings(), true)),
            What::Reference { toml: false } => say(reference::markdown()),
        }
    }
}
