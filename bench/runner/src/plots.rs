//! The results as pictures.

mod curves;

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::clients::CLIENTS;
use crate::results::{Results, median_trip, rate};
use crate::scenario::{SCENARIOS, Scenario};
use crate::tables::figures;

const WIDTH: i32 = 900;
/// Where the bars begin, and where the longest ends.
const LEFT: i32 = 290;
const RIGHT: i32 = WIDTH - 80;
const ROW: i32 = 22;
const TOP: i32 = 40;
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const THEIRS: RGBColor = RGBColor(0x9a, 0x9a, 0x9a);
/// What is no client.
const LIMITS: RGBColor = RGBColor(0xd9, 0xb4, 0x4a);

/// One for each scenario over TCP that has a rate or takes its time, named after it.
pub(crate) fn write(results: &Results, folder: &Path) -> Result<(), Box<dyn Error>> {
    for scenario in SCENARIOS.iter().filter(|scenario| !scenario.layered) {
        let bars = bars(results, scenario);
        if bars.len() > 1 {
            draw(scenario, &bars, &folder.join(format!("{}.svg", scenario.name)))?;
        }
    }
    curves::write(results, &folder.join("scaling.svg"))
}

fn bars(results: &Results, scenario: &Scenario) -> Vec<(&'static str, f64)> {
    let value = |client: &str| {
        if scenario.flows() {
            Some(results.middle(scenario.name, client, rate)?.median / 1e3)
        } else if scenario.is_trip() {
            Some(results.middle(scenario.name, client, median_trip)?.median)
        } else {
            None
        }
    };
    CLIENTS.iter().filter_map(|client| Some((client.name, value(client.name)?))).collect()
}

fn draw(scenario: &Scenario, bars: &[(&str, f64)], file: &Path) -> Result<(), Box<dyn Error>> {
    let height = TOP + ROW * bars.len() as i32 + 10;
    let area = SVGBackend::new(file, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let unit = if scenario.flows() { "thousands of messages a second" } else { "median, µs" };
    let title = format!("{}: {unit}", scenario.title);
    area.draw_text(&title, &TextStyle::from(("sans-serif", 18)), (12, 10))?;
    let most = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let text = TextStyle::from(("sans-serif", 13));
    let right = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
    let left = text.pos(Pos::new(HPos::Left, VPos::Center));
    for (row, (name, value)) in bars.iter().enumerate() {
        let top = TOP + ROW * row as i32;
        let middle = top + ROW / 2;
        let end = LEFT + (f64::from(RIGHT - LEFT) * value / most).round() as i32;
        let colour = if name.starts_with("Sterna") {
            OURS
        } else if name.starts_with("socket") || name.starts_with("reference") {
            LIMITS
        } else {
            THEIRS
        };
        area.draw(&Rectangle::new([(LEFT, top + 3), (end.max(LEFT + 1), top + ROW - 3)], colour.filled()))?;
        area.draw_text(name, &right, (LEFT - 8, middle))?;
        area.draw_text(&figures(*value), &left, (end + 6, middle))?;
    }
    area.present()?;
    Ok(())
}
