//! What a step costs with more and more around it, both scales logarithmic.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::results::Results;
use crate::tables::{Curve, curves, figures};

const WIDTH: i32 = 900;
const LEFT: i32 = 70;
const RIGHT: i32 = WIDTH - 50;
const TOP: i32 = 40;
const BOTTOM: i32 = 400;
/// Of a line of the legend.
const ROW: i32 = 20;
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const COLOURS: [RGBColor; 10] = [
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0xe3, 0x77, 0xc2),
    RGBColor(0x7f, 0x7f, 0x7f),
    RGBColor(0xbc, 0xbd, 0x22),
    RGBColor(0x17, 0xbe, 0xcf),
];

/// One scale: powers of ten between two places.
struct Scale {
    lowest: i32,
    highest: i32,
    from: i32,
    to: i32,
}

impl Scale {
    /// From the power of ten below the least to that above the most.
    fn new(values: impl Iterator<Item = f64> + Clone, from: i32, to: i32) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(1.0, f64::max);
        let (lowest, highest) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        Self { lowest, highest: highest.max(lowest + 1), from, to }
    }

    fn place(&self, value: f64) -> i32 {
        let share = (value.log10() - f64::from(self.lowest)) / f64::from(self.highest - self.lowest);
        self.from + (f64::from(self.to - self.from) * share).round() as i32
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.lowest..=self.highest).map(|power| 10_f64.powi(power))
    }
}

pub(super) fn write(results: &Results, file: &Path) -> Result<(), Box<dyn Error>> {
    let curves = curves(results);
    if curves.is_empty() {
        return Ok(());
    }
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let across = Scale::new(points().map(|(size, _)| *size as f64), LEFT, RIGHT);
    let up = Scale::new(points().map(|(_, cost)| *cost), BOTTOM, TOP);
    let height = BOTTOM + 40 + ROW * curves.len() as i32;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = "Instructions a message, with so much around it";
    area.draw_text(title, &TextStyle::from(("sans-serif", 18)), (12, 10))?;
    let text = TextStyle::from(("sans-serif", 13));
    let below = text.clone().pos(Pos::new(HPos::Center, VPos::Top));
    let beside = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
    for power in across.powers() {
        let x = across.place(power);
        area.draw(&PathElement::new([(x, TOP), (x, BOTTOM)], GRID))?;
        area.draw_text(&figures(power), &below, (x, BOTTOM + 6))?;
    }
    for power in up.powers() {
        let y = up.place(power);
        area.draw(&PathElement::new([(LEFT, y), (RIGHT, y)], GRID))?;
        area.draw_text(&figures(power), &beside, (LEFT - 8, y))?;
    }
    let legend = text.pos(Pos::new(HPos::Left, VPos::Center));
    for (row, curve) in curves.iter().enumerate() {
        let style = COLOURS[row % COLOURS.len()].stroke_width(2);
        let place = |&(size, cost): &(u64, f64)| (across.place(size as f64), up.place(cost));
        let line: Vec<(i32, i32)> = curve.points.iter().map(place).collect();
        area.draw(&PathElement::new(line.clone(), style))?;
        for point in line {
            area.draw(&Circle::new(point, 3, style.filled()))?;
        }
        let y = BOTTOM + 40 + ROW * row as i32;
        area.draw(&PathElement::new([(LEFT, y), (LEFT + 30, y)], style))?;
        area.draw_text(&legend_of(curve), &legend, (LEFT + 40, y))?;
    }
    area.present()?;
    Ok(())
}

fn legend_of(curve: &Curve<'_>) -> String {
    let (first, last) = (curve.points[0], curve.points[curve.points.len() - 1]);
    format!("{}: {} to {}", curve.title(), figures(first.1), figures(last.1))
}

#[test]
fn powers_of_ten_are_equally_far_apart() {
    let scale = Scale::new([2.0, 900.0].into_iter(), 0, 300);
    assert_eq!([1.0, 10.0, 100.0, 1_000.0].map(|value| scale.place(value)), [0, 100, 200, 300]);
}
