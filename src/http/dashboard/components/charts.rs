//! Charts as SVG made on the server: no script draws them, and no style is in them but classes.

use maud::{Markup, html};

/// What happened in a part of a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bar {
    /// Attempts that were taken.
    pub good: u64,
    /// Attempts that were not.
    pub bad: u64,
}

/// One bar for each part, oldest first, up to the tallest of them: failures red from the base. `finding`: what it shows,
/// in words. `wide`: as wide as its place.
pub fn spark(bars: &[Bar], finding: &str, wide: bool) -> Markup {
    let tallest = bars.iter().map(|bar| bar.good + bar.bad).max().unwrap_or(0).max(1);
    // In hundredths of a pixel, so that whole numbers do; a bar is never lower than it can be seen.
    let height = |count: u64| u64::try_from(u128::from(count) * 2_200 / u128::from(tallest)).unwrap_or(0).max(150);
    let decimal = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    // One path for all bars of a kind: a page has many of these pictures.
    let (mut none, mut ok, mut fail) = (String::new(), String::new(), String::new());
    for (index, bar) in bars.iter().enumerate() {
        let x = index * 5;
        let bad = if bar.bad > 0 { height(bar.bad) } else { 0 };
        let good = if bar.good > 0 { height(bar.good).min(2_400 - bad) } else { 0 };
        let draw = |path: &mut String, top: u64, height: u64| {
            if height > 0 {
                path.extend([format!("M{x} "), decimal(top), "h4v".to_owned(), decimal(height), "h-4z".to_owned()]);
            }
        };
        draw(&mut none, 2_250, if good + bad == 0 { 150 } else { 0 });
        draw(&mut ok, 2_400 - bad - good, good);
        draw(&mut fail, 2_400 - bad, bad);
    }
    html! {
        svg.spark.big[wide] viewBox="0 0 120 24" preserveAspectRatio=[wide.then_some("none")] role="img"
            aria-label=(finding) {
            @for (class, path) in [("z", &none), ("ok", &ok), ("fail", &fail)] {
                @if !path.is_empty() { path class=(class) d=(path) {} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_end_at_the_base_and_nothing_is_drawn_out_of_the_picture() {
        let bars =
            [Bar { good: 10, bad: 0 }, Bar { good: 0, bad: 0 }, Bar { good: 1, bad: 9 }, Bar { good: 0, bad: 1 }];
        let text = spark(&bars, "all \"well\"", false).into_string();
        assert!(text.contains(r#"<path class="ok" d="M0 2.00h4v22.00h-4z"#), "{text}");
        assert!(text.contains(r#"<path class="z" d="M5 22.50h4v1.50h-4z">"#), "{text}");
        assert!(text.contains(r#"<path class="fail" d="M10 4.20h4v19.80h-4zM15 "#), "{text}");
        assert!(text.contains("all &quot;well&quot;"));
        let halves = spark(&[Bar { good: u64::MAX / 2, bad: u64::MAX / 2 }], "", true).into_string();
        assert_eq!(halves.matches("v11.00").count(), 2, "{halves}");
    }
}
