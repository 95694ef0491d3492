//! A line chart as SVG, with a logarithmic x axis: sizes grow by factors.

use std::fmt::Write as _;

/// One line.
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    /// x above zero, and y.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) const fn named(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }
}

/// A chart.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) curves: Vec<Curve>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 620.0;
const BOTTOM: f64 = 270.0;
/// Told apart without colour sight, on white and on black.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

impl Plot {
    pub(crate) fn svg(&self) -> String {
        let points = || self.curves.iter().flat_map(|curve| curve.points.iter());
        let bound = |pick: fn(&(f64, f64)) -> f64, fold: fn(f64, f64) -> f64, first: f64| {
            points().map(pick).fold(first, fold)
        };
        let (low, high) = (bound(|p| p.0, f64::min, f64::MAX), bound(|p| p.0, f64::max, 1.0));
        let top = bound(|p| p.1, f64::max, 0.0).max(f64::MIN_POSITIVE) * 1.1;
        let span = (high / low).log10().max(f64::MIN_POSITIVE);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * (value / low).log10() / span;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / top;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\" fill=\"#777\">\n<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
            self.title
        );
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let at = y(value);
            let _infallible = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#bbb\" stroke-width=\"0.5\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.1}</text>",
                LEFT - 6.0,
                at + 4.0
            );
        }
        for (value, _) in self.curves.first().map(|curve| curve.points.as_slice()).unwrap_or_default() {
            let _infallible = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
                x(*value),
                BOTTOM + 18.0
            );
        }
        for (index, curve) in self.curves.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let path: Vec<String> =
                curve.points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
            let _infallible = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                path.join(" "),
                LEFT + 160.0 * index as f64,
                HEIGHT - 10.0,
                curve.name
            );
        }
        let _infallible = writeln!(
            svg,
            "<text x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">{}, {}</text>\n</svg>",
            HEIGHT - 10.0,
            self.x,
            self.y
        );
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenfold_size_is_a_step_to_the_right_and_more_is_higher() {
        let mut curve = Curve::named("a");
        curve.points = vec![(10.0, 1.0), (100.0, 2.0), (1000.0, 1.0)];
        let svg = Plot { title: "t", x: "x", y: "y", curves: vec![curve] }.svg();
        assert!(svg.contains("points=\"60.0,165.5 340.0,60.9 620.0,165.5\""), "{svg}");
    }
}
