//! Plots as SVG, which a page can show as they are: readable on light and dark, without colors, too.

use std::fmt::Write as _;

use crate::figures::whole;

/// Of the picture, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Where the lines are drawn.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 360.0;
/// How many ticks an axis that counts evenly has, about.
const TICKS: f64 = 5.0;
/// As good on white as on black, and for those who see no red or no green.
const COLORS: [&str; 4] = ["#2f81c4", "#d9822b", "#2a9d6f", "#a05fb0"];
/// The reader's preference chooses the ground; the plot brings its own, whatever the page has.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}\
.ground{fill:#fff}.grid{stroke:#d0d7de}.axis{stroke:#57606a}.target{stroke:#cf222e;stroke-dasharray:2 4}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.grid{stroke:#30363d}\
.axis{stroke:#8b949e}.target{stroke:#ff7b72}}";

/// Some figures against others.
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What is told along the bottom; its steps are factors. Ticks are where something was measured.
    pub along: String,
    /// What is told along the side, with its unit.
    pub up: String,
    /// Whether the side's steps are factors, too.
    pub up_by_factors: bool,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// A bound that is aimed at, and what it is called.
    pub target: Option<(f64, &'static str)>,
}

/// One of them.
pub struct Line {
    /// What it is called.
    pub name: String,
    /// What was measured, from left to right.
    pub points: Vec<(f64, f64)>,
    /// What others are compared with is drawn with dashes.
    pub baseline: bool,
}

/// From figures to pixels.
struct Scale {
    from: f64,
    to: f64,
    by_factors: bool,
    pixels: [f64; 2],
}

impl Scale {
    fn at(&self, figure: f64) -> f64 {
        let part = if self.by_factors {
            (figure / self.from).ln() / (self.to / self.from).ln()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        let [from, to] = self.pixels;
        from + (to - from) * part
    }
}

impl Plot {
    /// As text.
    pub fn svg(&self) -> String {
        let mut marks: Vec<f64> = self.figures().map(|(x, _)| x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        let (first, last) = (marks[0], marks[marks.len() - 1]);
        // One mark alone has no width.
        let last = if last > first { last } else { first * 10.0 };
        let x = Scale { from: first, to: last, by_factors: true, pixels: [LEFT + 20.0, RIGHT - 20.0] };
        let (y, ticks) = self.side();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            self.title
        );
        for tick in ticks {
            let at = y.at(tick);
            line(&mut svg, "grid", [LEFT, at, RIGHT, at]);
            text(&mut svg, " text-anchor=\"end\"", [LEFT - 8.0, at + 4.0], &short(tick));
        }
        for mark in marks {
            let at = x.at(mark);
            line(&mut svg, "axis", [at, BOTTOM, at, BOTTOM + 5.0]);
            text(&mut svg, " text-anchor=\"middle\"", [at, BOTTOM + 20.0], &short(mark));
        }
        line(&mut svg, "axis", [LEFT, BOTTOM, RIGHT, BOTTOM]);
        line(&mut svg, "axis", [LEFT, TOP, LEFT, BOTTOM]);
        text(&mut svg, " class=\"title\"", [LEFT, 28.0], &self.title);
        let middle = f64::midpoint(LEFT, RIGHT);
        text(&mut svg, " text-anchor=\"middle\"", [middle, BOTTOM + 45.0], &self.along);
        let middle = f64::midpoint(TOP, BOTTOM);
        let turned = format!(" text-anchor=\"middle\" transform=\"rotate(-90 20 {middle})\"");
        text(&mut svg, &turned, [20.0, middle], &self.up);
        if let Some((bound, name)) = self.target {
            line(&mut svg, "target", [LEFT, y.at(bound), RIGHT, y.at(bound)]);
            text(&mut svg, "", [LEFT + 8.0, y.at(bound) - 5.0], name);
        }
        for (nth, line) in self.lines.iter().enumerate() {
            line.draw(&mut svg, nth, &x, &y);
        }
        svg + "</svg>\n"
    }

    fn figures(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().flat_map(|line| line.points.iter().copied())
    }

    /// The side's scale, wide enough for all that is drawn, and its ticks.
    fn side(&self) -> (Scale, Vec<f64>) {
        let heights = || self.figures().map(|(_, y)| y).chain(self.target.map(|(bound, _)| bound));
        let (least, most) = (heights().fold(f64::MAX, f64::min), heights().fold(0.0, f64::max));
        let pixels = [BOTTOM, TOP];
        if self.up_by_factors {
            let [from, to] = [least.max(0.001).log10().floor(), most.log10().floor() + 1.0];
            let decades = (0..).map(|nth| from + f64::from(nth)).take_while(|decade| *decade <= to);
            let ticks = decades.map(|decade| 10_f64.powf(decade)).collect();
            return (Scale { from: 10_f64.powf(from), to: 10_f64.powf(to), by_factors: true, pixels }, ticks);
        }
        // The next of 1, 2 and 5 times a power of ten.
        let rough = most / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|n| n * power >= rough).unwrap_or(10.0) * power;
        let steps = (most / step).ceil();
        let ticks = (0..).map(|nth| f64::from(nth) * step).take_while(|tick| *tick <= steps * step).collect();
        (Scale { from: 0.0, to: steps * step, by_factors: false, pixels }, ticks)
    }
}

impl Line {
    fn draw(&self, svg: &mut String, nth: usize, x: &Scale, y: &Scale) {
        let color = COLORS[nth % COLORS.len()];
        let places: Vec<(f64, f64)> =
            self.points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if self.baseline { " stroke-dasharray=\"7 4\"" } else { "" };
        let path = path.join(" ");
        put(
            svg,
            &format!(
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"{dashes}/>"
            ),
        );
        // The legend has a line's mark, too, at the height of its own row.
        let legend = (RIGHT + 20.0, TOP + 22.0 * nth as f64);
        for (x, y) in places.into_iter().chain([legend]) {
            let shape = match nth % 4 {
                0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\""),
                1 => format!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"", x - 4.0, y - 4.0),
                2 => format!("<path d=\"M{x:.1} {:.1}l5 9h-10z\"", y - 6.0),
                _ => format!("<path d=\"M{x:.1} {:.1}l5.5 5.5-5.5 5.5-5.5-5.5z\"", y - 5.5),
            };
            put(svg, &format!("{shape} fill=\"{color}\"/>"));
        }
        text(svg, "", [legend.0 + 12.0, legend.1 + 4.0], &self.name);
    }
}

fn put(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("a text takes it");
}

fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let ends = format!("x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"");
    put(svg, &format!("<line class=\"{class}\" {ends}/>"));
}

fn text(svg: &mut String, attributes: &str, [x, y]: [f64; 2], said: &str) {
    put(svg, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\"{attributes}>{said}</text>"));
}

/// A number beside a tick.
fn short(number: f64) -> String {
    if number >= 10.0 || number.fract() == 0.0 { whole(number) } else { format!("{number}") }
}
