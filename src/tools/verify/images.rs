//! Compares product images with the journal: each one that an event names exists, and is undamaged.
//!
//! An image is written before its event, so there may be images that no event names.

use std::{collections::BTreeMap, path::Path};

use super::Findings;
use crate::{
    domain::{Event, NewEvent, ProductId, hex::to_hex, image::Image, product::ProductEvent},
    store::images::{self, Survey},
};

const SUBJECT: &str = "images";

/// Images that events name, each with one of its products.
#[derive(Default)]
pub(super) struct ImageRefs(BTreeMap<String, (Image, ProductId)>);

impl ImageRefs {
    pub(super) fn record(&mut self, id: ProductId, new: &NewEvent) {
        if let Event::Product(ProductEvent::ProductImageChanged { image }) = &new.event {
            self.0.insert(image.to_string(), (*image, id));
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn compare(&self, directory: &Path, findings: &mut Findings, notes: &mut Vec<String>) {
        let survey = match Survey::read(directory) {
            Ok(survey) => survey,
            Err(error) => return findings.add(SUBJECT, format!("the directory cannot be read: {error}")),
        };
        for digest in &survey.damaged {
            let name = to_hex(digest);
            findings.add(SUBJECT, format!("{name} is damaged: its bytes do not match its name"));
        }
        if survey.unfinished > 0 {
            let unfinished = survey.unfinished;
            notes.push(format!("{SUBJECT}: {unfinished} unfinished files; the next start removes them"));
        }
        for (name, (image, product)) in &self.0 {
            if survey.damaged.contains(&image.digest) {
                findings.add(product, format!("its image {name} is damaged"));
            } else if !images::file(directory, image.digest).exists() {
                findings.add(product, format!("its image {name} is missing"));
            }
        }
    }
}
