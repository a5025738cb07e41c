//! The file of pictures, compared with the journal: every picture that an event names is there, and whole.
//!
//! A picture is written first: the file may have some that no event names.

use std::{collections::BTreeMap, path::Path};

use super::Findings;
use crate::{
    domain::{Event, NewEvent, ProductId, image::Image, product::ProductEvent},
    store::images::Survey,
};

/// What findings are about.
const SUBJECT: &str = "product.images";

/// Pictures that events name, each with a product that it is of.
#[derive(Default)]
pub(super) struct Named(BTreeMap<String, (Image, ProductId)>);

impl Named {
    /// Notes what an event of a product names.
    pub(super) fn note(&mut self, id: ProductId, new: &NewEvent) {
        if let Event::Product(ProductEvent::ProductImageChanged { image }) = &new.event {
            self.0.insert(image.to_string(), (*image, id));
        }
    }

    /// Takes over what another reading has noted.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Compares them with the file at `path`.
    pub(super) fn compare(&self, path: &Path, findings: &mut Findings, notes: &mut Vec<String>) {
        let survey = match Survey::read(path) {
            Ok(survey) => survey.unwrap_or_default(),
            Err(error) => return findings.add(SUBJECT, format!("it cannot be read: {error}")),
        };
        for record in &survey.damaged {
            findings.add(SUBJECT, format!("the picture at {record} is damaged: its digest is wrong"));
        }
        if survey.rest > 0 {
            let rest = survey.rest;
            notes.push(format!(
                "{SUBJECT}: {rest} bytes at its end are no picture; the next start sets them aside"
            ));
        }
        for (name, (image, product)) in &self.0 {
            if !survey.whole.contains(&image.digest) {
                findings.add(product, format!("its picture {name} is not there, or damaged"));
            }
        }
    }
}
