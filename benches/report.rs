//! What was measured, as a table of ratios: the median of the rounds, with their spread.

use serde_json::{Value, json};

use crate::{cores, scale::Plan};

/// What a ratio must be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_reached_by(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(least) => ratio >= least,
            Self::AtMost(most) => ratio <= most,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {least}"),
            Self::AtMost(most) => format!("≤ {most}"),
        }
    }
}

/// One round: ours, and the reference that was measured beside it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub ours: f64,
    pub reference: f64,
}

/// One figure of the table.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    /// What the reference is.
    pub against: &'static str,
    pub target: Target,
    pub samples: Vec<Sample>,
}

impl Figure {
    fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    fn ratios(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.ours / sample.reference).collect()
    }

    fn ours(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.ours).collect())
    }

    fn reference(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.reference).collect())
    }

    fn is_reached(&self) -> bool {
        self.target.is_reached_by(self.ratio())
    }

    /// One line while the run goes on.
    pub fn line(&self) -> String {
        let reached = if self.is_reached() { "reached" } else { "NOT reached" };
        let (ours, reference, ratio) = (short(self.ours()), short(self.reference()), self.ratio());
        let (unit, target) = (self.unit, self.target.words());
        format!("{}: {ours} {unit} to {reference} {unit}, ratio {ratio:.2} (target {target}): {reached}", self.name)
    }

    fn row(&self) -> String {
        let (name, unit, against, target) = (&self.name, self.unit, self.against, self.target.words());
        let (ours, reference) = (short(self.ours()), short(self.reference()));
        let ratios = self.ratios();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        let spread = if ratios.len() > 1 { format!(" ({low:.2} to {high:.2})") } else { String::new() };
        let reached = if self.is_reached() { "yes" } else { "**no**" };
        let ratio = self.ratio();
        format!(
            "| {name} | {ours} {unit} | {reference} {unit}: {against} | {ratio:.2}{spread} | {target} | {reached} |"
        )
    }

    fn json(&self) -> Value {
        json!({
            "figure": self.name,
            "unit": self.unit,
            "ours": self.ours(),
            "reference": self.reference(),
            "against": self.against,
            "ratio": self.ratio(),
            "ratios": self.ratios(),
            "target": self.target.words(),
            "reached": self.is_reached(),
        })
    }
}

/// A whole run.
pub struct Report {
    heading: String,
    figures: Vec<Figure>,
}

impl Report {
    pub fn new(plan: &Plan, figures: Vec<Figure>) -> Self {
        let build = if cfg!(debug_assertions) { "debug build, so the figures mean nothing" } else { "release build" };
        let heading = format!(
            "Scale {}, engine {}, {} rounds, {} cores, {build}.",
            plan.scale.name(),
            plan.engine,
            plan.rounds,
            cores::count()
        );
        Self { heading, figures }
    }

    pub fn markdown(&self) -> String {
        let head = "| figure | ours | reference | ratio | target | reached |\n| --- | --- | --- | --- | --- | --- |";
        let rows: Vec<String> = self.figures.iter().map(Figure::row).collect();
        format!("{}\n\n{head}\n{}", self.heading, rows.join("\n"))
    }

    pub fn json(&self) -> String {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        format!("{:#}\n", json!({"run": self.heading, "figures": figures}))
    }
}

/// The middle of some numbers.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

/// With as many digits as say something.
fn short(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        middling if middling >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
