//! Plots as inline SVG. Colours come from the page's style sheet, so that they follow light and dark.

use std::fmt::Write;

/// The room around the plotting area.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;

/// A drawing's size; letters have the same size in all, so a wide figure takes a wide drawing.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Half of the page's width.
pub(super) const HALF: Size = Size { width: 560.0, height: 210.0 };
/// All of it.
pub(super) const WIDE: Size = Size { width: 1140.0, height: 270.0 };

/// A line of a plot.
pub(super) struct Line {
    /// Its class in the style sheet: its colour.
    pub(super) class: &'static str,
    /// Its points, in the axes' units.
    pub(super) points: Vec<(f64, f64)>,
}

/// How values become places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly.
    Linear,
    /// By powers of ten.
    Log,
}

/// An axis: from, to, and how its values are written.
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) scale: Scale,
    pub(super) label: fn(f64) -> String,
    pub(super) name: &'static str,
}

impl Axis {
    /// From 0 to a round number that is above all of these.
    pub(super) fn above(values: impl Iterator<Item = f64>, least: f64, label: fn(f64) -> String) -> Self {
        let most = values.fold(least, f64::max);
        let step = step(most);
        let to = (most / step).ceil() * step;
        Self { from: 0.0, to, scale: Scale::Linear, label, name: "" }
    }

    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value / self.from).log10() / (self.to / self.from).log10(),
        };
        place.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.to - self.from);
                let count = ((self.to - self.from) / step + 1e-6) as usize;
                (0..=count).map(|index| self.from + step * index as f64).collect()
            }
            Scale::Log => {
                let decades = (self.to / self.from).log10().round() as i32;
                (0..=decades).map(|decade| self.from * 10_f64.powi(decade)).collect()
            }
        }
    }
}

/// A round distance that divides a length into about five.
fn step(length: f64) -> f64 {
    let rough = length.max(1e-9) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

impl Size {
    fn x(self, axis: &Axis, value: f64) -> f64 {
        LEFT + axis.place(value) * (self.width - LEFT - RIGHT)
    }

    fn y(self, axis: &Axis, value: f64) -> f64 {
        self.ground() - axis.place(value) * (self.ground() - TOP)
    }

    fn ground(self) -> f64 {
        self.height - BOTTOM
    }
}

/// Lines over two axes; the first line's area is filled when asked for.
pub(super) fn plot(title: &str, across: &Axis, up: &Axis, lines: &[Line], filled: bool) -> String {
    let size = HALF;
    let mut body = frame(size, across, up);
    for (index, Line { class, points }) in lines.iter().enumerate() {
        let path: Vec<String> =
            points.iter().map(|(a, b)| format!("{:.1} {:.1}", size.x(across, *a), size.y(up, *b))).collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
        if filled && index == 0 {
            let (first, last) = (size.x(across, first.0), size.x(across, last.0));
            let (ground, area) = (size.ground(), path.join("L"));
            write!(
                body,
                "<path class=\"area {class}\" d=\"M{first:.1} {ground}L{area}L{last:.1} {ground}Z\"/>"
            )
            .unwrap_or_default();
        }
        write!(body, "<path class=\"line {class}\" d=\"M{}\"/>", path.join("L")).unwrap_or_default();
    }
    drawing(size, title, &body)
}

/// Bars that stand at ranges of the horizontal axis, and marks at values of it.
pub(super) fn bars(
    title: &str,
    across: &Axis,
    up: &Axis,
    bars: &[(f64, f64, f64)],
    marks: &[(f64, String)],
) -> String {
    let size = WIDE;
    let mut body = frame(size, across, up);
    for (from, to, value) in bars {
        let (left, right, top) = (size.x(across, *from), size.x(across, *to), size.y(up, *value));
        let (width, height) = ((right - left - 1.0).max(0.6), size.ground() - top);
        write!(
            body,
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        )
        .unwrap_or_default();
    }
    for (index, (value, name)) in marks.iter().enumerate() {
        let (place, height) = (size.x(across, *value), TOP + 9.0 + 15.0 * index as f64);
        let (anchor, gap) = if place > size.width - 130.0 { ("end", -5.0) } else { ("start", 5.0) };
        write!(
            body,
            "<path class=\"mark\" d=\"M{place:.1} {TOP}V{}\"/><text class=\"marked\" x=\"{:.1}\" y=\"{height}\" \
             text-anchor=\"{anchor}\">{name}</text>",
            size.ground(),
            place + gap,
        )
        .unwrap_or_default();
    }
    drawing(size, title, &body)
}

fn frame(size: Size, across: &Axis, up: &Axis) -> String {
    let mut body = String::new();
    for tick in up.ticks() {
        let place = size.y(up, tick);
        write!(
            body,
            "<path class=\"grid\" d=\"M{LEFT} {place:.1}H{}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            size.width - RIGHT,
            LEFT - 7.0,
            place + 4.0,
            (up.label)(tick),
        )
        .unwrap_or_default();
    }
    for tick in across.ticks() {
        let (place, ground) = (size.x(across, tick), size.ground());
        write!(
            body,
            "<path class=\"notch\" d=\"M{place:.1} {ground}v4\"/><text class=\"tick\" x=\"{place:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text>",
            ground + 17.0,
            (across.label)(tick),
        )
        .unwrap_or_default();
    }
    let (middle, bottom) = (LEFT + (size.width - LEFT - RIGHT) / 2.0, size.height - 2.0);
    write!(
        body,
        "<text class=\"axis\" x=\"{middle}\" y=\"{bottom}\" text-anchor=\"middle\">{}</text>",
        across.name
    )
    .unwrap_or_default();
    body
}

fn drawing(Size { width, height }: Size, title: &str, body: &str) -> String {
    format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">{body}</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let axis = Axis::above([0.3, 7.1].into_iter(), 1.0, |value| format!("{value}"));
        assert_eq!((axis.from, axis.to), (0.0, 8.0));
        assert_eq!(axis.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        let log =
            Axis { from: 10.0, to: 1000.0, scale: Scale::Log, label: |value| format!("{value}"), name: "" };
        assert_eq!(log.ticks(), [10.0, 100.0, 1000.0]);
        assert!((log.place(100.0) - 0.5).abs() < 1e-9);
    }
}
