//! Plots as SVG, readable on light and dark backgrounds and without colors.

use std::fmt::Write as _;

use crate::figures::whole;

/// Size of the image, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
/// Edges of the plotted area, in pixels.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = 360.0;
/// Approximate number of ticks of a linear axis.
const TICKS: f64 = 5.0;
/// Readable on white and on black, and with color blindness.
const COLORS: [&str; 4] = ["#2f81c4", "#d9822b", "#2a9d6f", "#a05fb0"];
/// Light or dark by the reader's preference, with a background independent of the page's.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-size:16px;font-weight:600}\
.ground{fill:#fff}.grid{stroke:#d0d7de}.axis{stroke:#57606a}.target{stroke:#cf222e;stroke-dasharray:2 4}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.grid{stroke:#30363d}\
.axis{stroke:#8b949e}.target{stroke:#ff7b72}}";

/// A line chart with a logarithmic horizontal axis.
pub struct Plot {
    pub title: String,
    /// Label of the horizontal axis, which is logarithmic with a tick at each measured value.
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// `true` if the vertical axis is logarithmic.
    pub y_logarithmic: bool,
    pub lines: Vec<Line>,
    /// A target to draw as a line, and its label.
    pub target: Option<(f64, &'static str)>,
}

pub struct Line {
    /// Label in the legend.
    pub name: String,
    /// Measured points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// `true` for a baseline, which is drawn dashed.
    pub baseline: bool,
}

/// Maps figures to pixels.
struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
    pixels: [f64; 2],
}

impl Scale {
    fn at(&self, figure: f64) -> f64 {
        let part = if self.logarithmic {
            (figure / self.from).ln() / (self.to / self.from).ln()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        let [from, to] = self.pixels;
        from + (to - from) * part
    }
}

impl Plot {
    /// Renders the plot.
    pub fn svg(&self) -> String {
        let mut marks: Vec<f64> = self.figures().map(|(x, _)| x).collect();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        let (first, last) = (marks[0], marks[marks.len() - 1]);
        // A single mark has no width.
        let last = if last > first { last } else { first * 10.0 };
        let x = Scale { from: first, to: last, logarithmic: true, pixels: [LEFT + 20.0, RIGHT - 20.0] };
        let (y, ticks) = self.y_scale();
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
        text(&mut svg, " text-anchor=\"middle\"", [middle, BOTTOM + 45.0], &self.x_label);
        let middle = f64::midpoint(TOP, BOTTOM);
        let turned = format!(" text-anchor=\"middle\" transform=\"rotate(-90 20 {middle})\"");
        text(&mut svg, &turned, [20.0, middle], &self.y_label);
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

    /// The vertical scale, wide enough for all lines and the target, and its ticks.
    fn y_scale(&self) -> (Scale, Vec<f64>) {
        let heights = || self.figures().map(|(_, y)| y).chain(self.target.map(|(bound, _)| bound));
        let (least, most) = (heights().fold(f64::MAX, f64::min), heights().fold(0.0, f64::max));
        let pixels = [BOTTOM, TOP];
        if self.y_logarithmic {
            let [from, to] = [least.max(0.001).log10().floor(), most.log10().floor() + 1.0];
            let decades = (0..).map(|nth| from + f64::from(nth)).take_while(|decade| *decade <= to);
            let ticks = decades.map(|decade| 10_f64.powf(decade)).collect();
            return (
                Scale { from: 10_f64.powf(from), to: 10_f64.powf(to), logarithmic: true, pixels },
                ticks,
            );
        }
        // Rounds up to the next 1, 2 or 5 times a power of ten.
        let rough = most / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|n| n * power >= rough).unwrap_or(10.0) * power;
        let steps = (most / step).ceil();
        let ticks = (0..).map(|nth| f64::from(nth) * step).take_while(|tick| *tick <= steps * step).collect();
        (Scale { from: 0.0, to: steps * step, logarithmic: false, pixels }, ticks)
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
        // The last mark is the one in the legend.
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
    writeln!(svg, "{element}").expect("writing to a String does not fail");
}

fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let ends = format!("x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"");
    put(svg, &format!("<line class=\"{class}\" {ends}/>"));
}

fn text(svg: &mut String, attributes: &str, [x, y]: [f64; 2], content: &str) {
    put(svg, &format!("<text x=\"{x:.1}\" y=\"{y:.1}\"{attributes}>{content}</text>"));
}

/// Formats the number beside a tick.
fn short(number: f64) -> String {
    if number >= 10.0 || number.fract() == 0.0 { whole(number) } else { format!("{number}") }
}
