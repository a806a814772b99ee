//! Benchmark figures: ours and a peer's, measured in the same run, and their ratio. Some figures have no peer.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

/// One row of the table of figures.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Name of the figure, for example `first 8`.
    pub name: String,
    /// Median of our measurements; not a number (null in JSON) if a measurement failed or exceeded its limit.
    pub ours: f64,
    /// Median of the peer's measurements; null if there is no peer.
    pub peer: f64,
    /// Unit of both medians.
    pub unit: String,
    /// Our median divided by the peer's; smaller is better. It is null if there is no peer.
    pub ratio: f64,
    /// Command that the peer ran; `-` if there is no peer.
    pub peer_command: String,
    /// Number of runs of each side.
    pub runs: usize,
    /// Target for the ratio, or for our median if there is no peer; null if there is no target.
    pub aim: f64,
}

impl Figure {
    /// Computes a figure from two series of durations that were measured alternately.
    pub fn of(name: &str, ours: &[Duration], peer: &[Duration], peer_command: &str, aim: f64) -> Self {
        let seconds = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
        Self::of_values(name, "s", &seconds(ours), &seconds(peer), peer_command, aim)
    }

    /// Computes a figure from two series of values that were measured alternately.
    pub fn of_values(name: &str, unit: &str, ours: &[f64], peer: &[f64], peer_command: &str, aim: f64) -> Self {
        let (mine, theirs) = (median(ours), median(peer));
        Self {
            name: name.to_owned(),
            ours: rounded(mine),
            peer: rounded(theirs),
            unit: unit.to_owned(),
            ratio: rounded(mine / theirs),
            peer_command: peer_command.to_owned(),
            runs: ours.len().min(peer.len()),
            aim,
        }
    }

    /// Computes a figure without a peer. Without values it is one that could not be measured.
    pub fn alone(name: &str, unit: &str, values: &[f64], aim: Option<f64>) -> Self {
        Self {
            aim: aim.unwrap_or(f64::NAN),
            runs: values.len(),
            ..Self::of_values(name, unit, values, &[], "-", f64::NAN)
        }
    }

    /// The value that the aim is for.
    fn judged(&self) -> f64 {
        if self.peer_command == "-" { self.ours } else { self.ratio }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[derive(Serialize)]
struct Report<'a> {
    figures: &'a [Figure],
}

/// Writes the figures as JSON.
pub fn write(path: &Path, figures: &[Figure]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, serde_json::to_string_pretty(&Report { figures })? + "\n")?;
    Ok(())
}

/// Prints the figures as a table.
pub fn print(figures: &[Figure]) {
    let width = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0).max(14);
    println!("{:<width$} {:>11} {:>11} {:>7} {:>6} {:>5}  peer", "figure", "ours", "peer", "ratio", "aim", "runs");
    for figure in figures {
        let met = if figure.ours.is_nan() {
            "  (exceeded: not measured)"
        } else if figure.aim.is_nan() || figure.judged() <= figure.aim {
            ""
        } else {
            "  (above the aim)"
        };
        let (ours, peer) = (shown(figure.ours), shown(figure.peer));
        println!(
            "{:<width$} {ours:>7} {:<3} {peer:>7} {:<3} {:>7} {:>6} {:>5}  {}{met}",
            figure.name,
            figure.unit,
            figure.unit,
            shown(figure.ratio),
            if figure.aim.is_nan() { "-".to_owned() } else { figure.aim.to_string() },
            figure.runs,
            figure.peer_command
        );
    }
}

fn shown(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figure, median};

    #[test]
    fn a_median_ignores_the_order_and_the_extremes() {
        assert!((median(&[9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[1.0, 2.0, 3.0, 40.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_figure_without_a_peer_is_judged_by_its_value_and_without_values_it_is_null() {
        let figure = Figure::alone("survey 1000", "s", &[3.0, 1.0, 2.0], Some(2.0));
        assert!((figure.judged() - 2.0).abs() < f64::EPSILON);
        let nothing = serde_json::to_value(Figure::alone("survey 1000", "s", &[], None)).expect("a figure");
        assert!(nothing["ours"].is_null() && nothing["ratio"].is_null() && nothing["aim"].is_null());
    }

    #[test]
    fn a_ratio_is_ours_divided_by_the_peers() {
        let figure = Figure::of("first 8", &[Duration::from_secs(1)], &[Duration::from_secs(4)], "compose", 0.7);
        assert!((figure.ratio - 0.25).abs() < f64::EPSILON);
        assert_eq!(figure.runs, 1);
    }
}
