//! Image of a product: its own, or a drawing derived from its id and name.

use maud::{Markup, html};

use crate::{domain::ProductId, http::App, shop::ProductView};

/// Colors of a body: lit side, front and edge.
const BODIES: [[&str; 3]; 4] = [
    ["#ffffff", "#eef4f6", "#c9d8de"],
    ["#f6f1e8", "#ece4d6", "#d3c6b0"],
    ["#dfeee9", "#cfe3dc", "#a7c6bb"],
    ["#e3e9f4", "#d3dcec", "#aebcd6"],
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Small,
    Tall,
    Ice,
}

fn build(name: &str, id: ProductId) -> Build {
    let name = name.to_lowercase();
    if name.contains("얼음") || name.contains("ice") {
        return Build::Ice;
    }
    if name.contains("미니") || name.contains("mini") {
        return Build::Small;
    }
    if id.0.is_multiple_of(3) { Build::Small } else { Build::Tall }
}

/// Returns the image, without alternative text: the name stands beside it.
pub(crate) fn of(product: &ProductView) -> Markup {
    match product.image {
        Some(image) => html! { img src={ "/images/" (image) } alt="" loading="lazy"; },
        None => drawn(product.id, &product.offer.name),
    }
}

pub(crate) fn rented(app: &App, id: ProductId, name: &str) -> Markup {
    app.shop.product(id).map_or_else(|| drawn(id, name), |product| of(&product))
}

fn drawn(id: ProductId, name: &str) -> Markup {
    let build = build(name, id);
    let [light, front, edge] = BODIES[(id.0 >> 5) as usize % BODIES.len()];
    let (top, width): (i32, i32) = match build {
        Build::Small => (72, 100),
        Build::Tall => (34, 104),
        Build::Ice => (34, 128),
    };
    let (left, bottom) = (120 - width / 2, 252);
    let panel = top + 22;
    let tap = if build == Build::Small { top + 64 } else { top + 74 };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 280" aria-hidden="true" focusable="false" {
            ellipse cx="120" cy="258" rx=(width / 2 + 18) ry="9" fill="#0a4a60" opacity="0.13" {}
            // Body and lit side.
            rect x=(left) y=(top) width=(width) height=(bottom - top) rx="20"
                fill=(front) stroke=(edge) stroke-width="1.5" {}
            @let side = bottom - top - 4;
            path fill=(light) opacity="0.9"
                d={ "M" (left + 2) " " (top + 20) "a18 18 0 0 1 18-18h10v" (side)
                    "h-10a18 18 0 0 1-18-18z" } {}
            // Panel with lamps.
            rect x=(left + 16) y=(panel) width=(width - 32) height="30" rx="9" fill="#17323d" {}
            circle cx=(left + 34) cy=(panel + 15) r="4" fill="#7fd3ee" {}
            circle cx="120" cy=(panel + 15) r="4" fill="#e9f7fb" {}
            circle cx=(left + width - 34) cy=(panel + 15) r="4" fill="#f0a58f" {}
            (tap_and_cup(build, left, width, tap))
            rect x=(left + 14) y=(bottom - 26) width=(width - 28) height="9" rx="4.5"
                fill="#17323d" opacity="0.35" {}
            @if build != Build::Small {
                @let mark = "c4 5 7 8 7 12a7 7 0 0 1-14 0c0-4 3-7 7-12z";
                path fill="#0a6a8a" opacity="0.75" d={ "M120 " (bottom - 54) (mark) } {}
            }
        }
    }
}

fn tap_and_cup(build: Build, left: i32, width: i32, tap: i32) -> Markup {
    let water = "q9-5 17 0t17 0l-2.5 23a5 5 0 0 1-5 4h-19a5 5 0 0 1-5-4z";
    html! {
        rect x=(left + 14) y=(tap - 8) width=(width - 28) height="92" rx="14" fill="#12303b" opacity="0.11" {}
        rect x="104" y=(tap - 8) width="32" height="20" rx="7" fill="#17323d" {}
        rect x="117" y=(tap + 12) width="6" height="34" rx="3" fill="#79cbe6" {}
        path fill="#f7fcfe" stroke="#9fc6d4" stroke-width="1.5"
            d={ "M101 " (tap + 40) "h38l-4 40a6 6 0 0 1-6 5h-18a6 6 0 0 1-6-5z" } {}
        path fill="#8fd6ec" d={ "M103 " (tap + 56) (water) } {}
        @if build == Build::Ice {
            g fill="#ffffff" stroke="#8fc3d6" stroke-width="1.3" {
                rect x="108" y=(tap + 46) width="12" height="12" rx="3"
                    transform={ "rotate(-12 114 " (tap + 52) ")" } {}
                rect x="121" y=(tap + 48) width="11" height="11" rx="3"
                    transform={ "rotate(14 126 " (tap + 53) ")" } {}
            }
        }
    }
}
