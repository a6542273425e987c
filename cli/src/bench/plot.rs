//! The result as a picture: rate and latency over time, and latency by percentile.

use std::error::Error;

use plotters::prelude::*;

use super::report::Report;

const WIDTH: u32 = 900;
const HEIGHT: u32 = 320;
/// Blue, orange and green that people who see few colours can tell apart.
const RATE: RGBColor = RGBColor(0, 114, 178);
const MEDIAN: RGBColor = RGBColor(0, 158, 115);
const P99: RGBColor = RGBColor(213, 94, 0);

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws an SVG.
pub(super) fn draw(report: &Report) -> Result<String> {
    let mut text = String::new();
    let panels = if report.has_latency() { 3 } else { 1 };
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, HEIGHT * panels)).into_drawing_area();
        root.fill(&WHITE)?;
        let areas = root.split_evenly((panels as usize, 1));
        rate(&areas[0], report)?;
        if let [_, times, percentiles] = &areas[..] {
            latency_over_time(times, report)?;
            latency_by_percentile(percentiles, report)?;
        }
        root.present()?;
    }
    Ok(text)
}

/// A page with the picture and the numbers, which needs nothing else.
pub(super) fn html(report: &Report, svg: &str) -> String {
    let title = format!("sterna bench {}", report.kind);
    let settings: Vec<String> =
        report.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let text = escape(&format!("{}\n{}", settings.join(", "), report.text()));
    let svg = svg.find("<svg").map_or(svg, |at| &svg[at..]);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>body {{ font-family: sans-serif; margin: 2em auto; max-width: {WIDTH}px }} \
         pre {{ white-space: pre-wrap }}</style>\n<h1>{title}</h1>\n<pre>{text}</pre>\n{svg}\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The seconds at which the intervals begin.
fn seconds(report: &Report) -> impl Iterator<Item = f64> {
    let interval = report.snapshot.interval.as_secs_f64();
    (0_u32..).map(move |number| f64::from(number) * interval)
}

fn end(report: &Report) -> f64 {
    report.snapshot.interval.as_secs_f64() * report.snapshot.points.len().max(1) as f64
}

fn rate(area: &Area<'_>, report: &Report) -> Result<()> {
    let interval = report.snapshot.interval.as_secs_f64();
    let rates = report.snapshot.points.iter().map(|point| point.count as f64 / interval);
    let mut points: Vec<_> = seconds(report).zip(rates).collect();
    if points.len() > 1 {
        // The last interval was not a whole one.
        points.pop();
    }
    let top = points.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{} a second", report.unit), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..end(report), 0.0..top * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.draw_series(LineSeries::new(points, RATE.stroke_width(2)))?;
    Ok(())
}

fn latency_over_time(area: &Area<'_>, report: &Report) -> Result<()> {
    let measured = || seconds(report).zip(&report.snapshot.points).filter(|(_, point)| point.count > 0);
    let medians: Vec<_> = measured().map(|(second, point)| (second, point.median / 1e6)).collect();
    let p99s: Vec<_> = measured().map(|(second, point)| (second, point.p99 / 1e6)).collect();
    let top = p99s.iter().map(|(_, time)| *time).fold(1e-3, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}, milliseconds", report.latency_of), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..end(report), 0.0..top * 1.05)?;
    chart.configure_mesh().x_desc("seconds").light_line_style(TRANSPARENT).draw()?;
    for (name, points, colour) in [("99th percentile", p99s, P99), ("median", medians, MEDIAN)] {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// How many nines: 0.9 stands at 1, 0.99 at 2.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn latency_by_percentile(area: &Area<'_>, report: &Report) -> Result<()> {
    let latency = &report.snapshot.latency;
    // Beyond what so many values can tell there is only the maximum.
    let most = nines(1.0 - 1.0 / latency.len().max(10) as f64).clamp(1.0, 6.0);
    let points: Vec<_> = (0..=200)
        .map(|step| f64::from(step) / 200.0 * most)
        .map(|nines| (nines, latency.value_at_quantile(1.0 - 10_f64.powf(-nines)) as f64 / 1e6))
        .collect();
    let top = points.iter().map(|(_, time)| *time).fold(1e-3, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{} by percentile, milliseconds", report.latency_of), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..most, 0.0..top * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .x_labels(1 + (1..6).take_while(|nines| f64::from(*nines) <= most).count())
        .x_label_formatter(&|nines| percentile(*nines))
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.draw_series(LineSeries::new(points, P99.stroke_width(2)))?;
    Ok(())
}

fn percentile(nines: f64) -> String {
    // A digit for each nine behind the point.
    let digits = [1.0, 2.0, 3.0, 4.0, 5.0].iter().take_while(|limit| nines > **limit + 1.0).count();
    format!("{:.digits$}", 100.0 * (1.0 - 10_f64.powf(-nines)))
}
