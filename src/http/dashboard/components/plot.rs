//! Charts with axes: stacked bars and lines over time. The picture stretches in width alone, and words stand beside it as
//! HTML, so that they are never distorted. Each part of time has its values as a title; a table holds the same for those
//! who do not see pictures.

use maud::{Markup, html};

use super::number;

/// The picture's width, in its own units.
const WIDTH: u64 = 960;

/// What is beside a picture, and what it says.
pub struct Plot<'a> {
    /// What is seen, in words.
    pub finding: &'a str,
    /// Seven moments, the first and the last at the ends.
    pub moments: &'a [String; 7],
    /// For each part of time, oldest first: its values in words.
    pub said: &'a [String],
}

/// One part of time in a stack of bars.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stack {
    /// Red, at the base.
    pub bad: u64,
    /// Striped, above.
    pub again: u64,
    /// Quiet, on top.
    pub good: u64,
}

/// One line: a class of the stylesheet, and a value for each part of time that has one.
pub struct Line<'a> {
    /// `p50`, `p99`, …
    pub class: &'a str,
    /// Oldest first.
    pub values: Vec<Option<f64>>,
    /// Whether the ground below is filled.
    pub filled: bool,
}

/// A stack for each part of time.
pub fn stacks(plot: &Plot<'_>, stacks: &[Stack]) -> Markup {
    const HEIGHT: u64 = 168;
    let tallest = stacks.iter().map(|stack| stack.bad + stack.again + stack.good).max().unwrap_or(0);
    let (top, steps) = round_top(tallest);
    let height = |count: u64| {
        // In tenths of a unit; what is there can be seen.
        let exact = u64::try_from(u128::from(count) * u128::from(HEIGHT * 10) / u128::from(top)).unwrap_or(0);
        if count == 0 { 0 } else { exact.max(12) }
    };
    let (left, width) = columns(stacks.len());
    let y_labels: Vec<String> = (0..=steps).rev().map(|step| number(top / steps * step)).collect();
    let picture = html! {
        defs {
            pattern #stripe width="4" height="5" patternUnits="userSpaceOnUse" { rect.retry width="4" height="4" {} }
        }
        (grid(HEIGHT, steps))
        @for (index, stack) in stacks.iter().enumerate() {
            @let (bad, again, good) = (height(stack.bad), height(stack.again), height(stack.good));
            @let base = HEIGHT * 10;
            g {
                title { (plot.said.get(index).map_or("", String::as_str)) }
                (hit(left(index), width, HEIGHT))
                (bar("fail", "", (left(index), width), base, bad))
                (bar("", "url(#stripe)", (left(index), width), base.saturating_sub(bad), again))
                (bar("ok", "", (left(index), width), base.saturating_sub(bad + again), good))
            }
        }
    };
    around(plot, false, HEIGHT, &picture, &y_labels)
}

/// Lines from zero up.
pub fn lines(plot: &Plot<'_>, lines: &[Line<'_>]) -> Markup {
    let most = lines.iter().flat_map(|line| &line.values).flatten().copied().fold(0.0, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, rounded up to a whole one")]
    let (top, steps) = round_top(most.min(1e15).ceil() as u64);
    #[expect(clippy::cast_precision_loss, reason = "a picture is not exact to the 16th digit")]
    let share = move |value: f64| value / top as f64;
    let labels: Vec<String> = (0..=steps).rev().map(|step| number(top / steps * step)).collect();
    of_lines(plot, lines, steps, &labels, &share)
}

/// Lines of milliseconds, by powers of ten.
pub fn latencies(plot: &Plot<'_>, lines: &[Line<'_>]) -> Markup {
    let known = || lines.iter().flat_map(|line| &line.values).flatten().map(|millis| millis.max(1.0).log10());
    let low = known().fold(f64::INFINITY, f64::min).floor().clamp(0.0, 4.0);
    let high = known().fold(0.0, f64::max).ceil().clamp(low + 1.0, 5.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 5, whole")]
    let (first, last) = (low as u32, high as u32);
    let labels: Vec<String> = (first..=last)
        .rev()
        .map(|power| match 10_u32.pow(power) {
            millis @ ..1_000 => format!("{millis} ms"),
            millis => format!("{} s", millis / 1_000),
        })
        .collect();
    let share = move |millis: f64| (millis.max(1.0).log10() - low) / (high - low);
    of_lines(plot, lines, u64::from(last - first), &labels, &share)
}

fn of_lines(plot: &Plot<'_>, lines: &[Line<'_>], steps: u64, labels: &[String], share: &dyn Fn(f64) -> f64) -> Markup {
    const HEIGHT: u64 = 112;
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let (parts, whole_width, height) = (plot.said.len().max(1) as f64, WIDTH as f64, HEIGHT as f64);
    let step = whole_width / parts;
    let y = |value: f64| height - share(value).clamp(0.0, 1.0) * height;
    let (left, width) = columns(plot.said.len());
    let picture = html! {
        (grid(HEIGHT, steps))
        @for line in lines {
            @for (from, values) in runs(&line.values) {
                @let points = points(from, values, step, &y);
                @if line.filled {
                    @let ends = (points.first().map_or(0.0, |p| p.0), points.last().map_or(0.0, |p| p.0));
                    polygon.area points={ (format!("{:.1},{height:.0} ", ends.0)) (joined(&points)) (format!(" {:.1},{height:.0}", ends.1)) } {}
                }
                polyline class=(line.class) points=(joined(&points)) {}
            }
        }
        @for (index, said) in plot.said.iter().enumerate() {
            g { title { (said) } (hit(left(index), width, HEIGHT)) }
        }
    };
    around(plot, true, HEIGHT, &picture, labels)
}

/// Values that follow on each other, with the number of the first of them.
fn runs(values: &[Option<f64>]) -> Vec<(usize, Vec<f64>)> {
    let mut runs: Vec<(usize, Vec<f64>)> = Vec::new();
    let mut open = false;
    for (index, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some((_, run))) if open => run.push(*value),
            (Some(value), _) => runs.push((index, vec![*value])),
            (None, _) => {}
        }
        open = value.is_some();
    }
    runs
}

/// In the middle of their parts of time; the first and the last reach the ends of theirs.
fn points(from: usize, values: Vec<f64>, step: f64, y: &dyn Fn(f64) -> f64) -> Vec<(f64, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let place = |index: usize| index as f64 * step;
    let last = values.len().saturating_sub(1);
    let mut points = Vec::with_capacity(values.len() + 2);
    for (index, value) in values.into_iter().enumerate() {
        let x = place(from + index);
        if index == 0 {
            points.push((x, y(value)));
        }
        points.push((x + step / 2.0, y(value)));
        if index == last {
            points.push((x + step, y(value)));
        }
    }
    points
}

fn joined(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ")
}

fn around(plot: &Plot<'_>, low: bool, height: u64, picture: &Markup, y_labels: &[String]) -> Markup {
    html! {
        div.chart.low[low] {
            div {
                svg.plot viewBox={ "0 0 " (WIDTH) " " (height) } preserveAspectRatio="none" role="img"
                    aria-label=(plot.finding) data-plot="" { (picture) }
                div.xax.six aria-hidden="true" { @for moment in plot.moments { span { (moment) } } }
            }
            div.yax aria-hidden="true" { @for label in y_labels { span { (label) } } }
        }
    }
}

fn grid(height: u64, steps: u64) -> Markup {
    html! {
        @for step in 0..steps {
            @let y = tenths(height * 10 * step / steps);
            line.g x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
        }
        line.g0 x1="0" x2=(WIDTH) y1=(height) y2=(height) {}
    }
}

/// All of a part's column, to be pointed at.
fn hit(left: u64, width: u64, height: u64) -> Markup {
    html! { rect.hit x=(tenths(left)) y="0" width=(tenths(width)) height=(height) {} }
}

/// A bar that stands on `base`, in tenths.
fn bar(class: &str, fill: &str, (left, width): (u64, u64), base: u64, height: u64) -> Markup {
    let gap = width / 12;
    let height = height.min(base);
    let class = Some(class).filter(|class| !class.is_empty());
    let fill = Some(fill).filter(|fill| !fill.is_empty());
    html! {
        @if height > 0 {
            rect class=[class] fill=[fill] x=(tenths(left + gap)) y=(tenths(base - height))
                width=(tenths(width - 2 * gap)) height=(tenths(height)) {}
        }
    }
}

/// Where a column begins, and how wide it is, in tenths.
fn columns(count: usize) -> (impl Fn(usize) -> u64, u64) {
    let count = u64::try_from(count.max(1)).unwrap_or(1);
    let left = move |index: usize| WIDTH * 10 * u64::try_from(index).unwrap_or(0) / count;
    (left, WIDTH * 10 / count)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// A round number that is not less, and into how many round steps it is cut.
fn round_top(most: u64) -> (u64, u64) {
    let mut power: u64 = 1;
    loop {
        for digit in [1, 2, 5] {
            let step = power.saturating_mul(digit);
            let steps = most.div_ceil(step);
            if steps <= 4 {
                let steps = steps.max(if step == 1 { 1 } else { 2 });
                return (step.saturating_mul(steps), steps);
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot<'a>(moments: &'a [String; 7], said: &'a [String]) -> Plot<'a> {
        Plot { finding: "a \"finding\"", moments, said }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        let tops = [0, 1, 3, 5, 9, 12, 99, 1_261, 4_000_001].map(round_top);
        assert_eq!(
            tops,
            [(1, 1), (1, 1), (3, 3), (6, 3), (10, 2), (15, 3), (100, 2), (1_500, 3), (6_000_000, 3)],
            "{tops:?}"
        );
        assert!(round_top(u64::MAX).1 > 0);
    }

    #[test]
    fn bars_stand_on_each_other_and_stay_in_the_picture() {
        let moments = <[String; 7]>::default();
        let said = ["<1>".to_owned(), "2".to_owned()];
        let text =
            stacks(&plot(&moments, &said), &[Stack { bad: 1, again: 1, good: 2 }, Stack::default()]).into_string();
        assert!(text.contains(r#"<rect class="fail" x="40.0" y="126.0" width="400.0" height="42.0">"#), "{text}");
        assert!(text.contains(r#"<rect fill="url(#stripe)" x="40.0" y="84.0""#), "{text}");
        assert!(text.contains(r#"<rect class="ok" x="40.0" y="0.0" width="400.0" height="84.0">"#), "{text}");
        assert!(text.contains("<title>&lt;1&gt;</title>") && text.contains("a &quot;finding&quot;"), "{text}");
        assert_eq!(text.matches("class=\"ok\"").count(), 1, "nothing is drawn of nothing: {text}");
    }

    #[test]
    fn lines_break_where_there_is_no_value() {
        let moments = <[String; 7]>::default();
        let said = vec![String::new(); 4];
        let line = Line { class: "p50", values: vec![Some(10.0), None, Some(100.0), Some(1_000.0)], filled: false };
        let text = latencies(&plot(&moments, &said), &[line]).into_string();
        assert_eq!(text.matches("<polyline").count(), 2, "{text}");
        assert!(text.contains(r#"points="0.0,112.0 120.0,112.0 240.0,112.0""#), "{text}");
        assert!(text.contains(r#"points="480.0,56.0 600.0,56.0 840.0,0.0 960.0,0.0""#), "{text}");
        assert!(text.contains("<span>1 s</span><span>100 ms</span><span>10 ms</span>"), "{text}");
    }
}
