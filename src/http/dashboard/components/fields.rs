//! Forms: a label, the control, the error, a hint. An error is said twice: at the top, with a link to the field, and at
//! the field.

use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::{
    super::{layout, page::Page},
    icon, prose, sentence,
};
use crate::http::problem::{Kind, Problem};

/// What is wrong with a form, by field.
#[derive(Default)]
pub struct FormErrors(Vec<FormError>);

struct FormError {
    /// The name of the field in the form; empty for the whole form.
    field: String,
    text: String,
}

impl FormErrors {
    /// What the API says of a body, if it is about the form and not about its sender. The fields of the form have the
    /// names of the body's.
    ///
    /// # Errors
    /// The problem again, if no change of the form would help: no right, no such thing.
    pub fn of(problem: Problem) -> Result<Self, Problem> {
        match problem.kind() {
            Kind::InvalidField
            | Kind::Unprocessable
            | Kind::Conflict
            | Kind::TooLarge
            | Kind::MalformedBody
            | Kind::InvalidParameter => {
                if let Some(name) = problem.parameter_name() {
                    // A parameter's name stands before what is said of it, for those who have no form.
                    let detail = problem.detail().strip_prefix(&format!("`{name}`: ")).unwrap_or(problem.detail());
                    return Ok(Self(vec![FormError { field: name.to_owned(), text: in_words(detail) }]));
                }
                let pointer = problem.pointer().unwrap_or_default();
                let field = pointer.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
                Ok(Self(vec![FormError { field, text: in_words(problem.detail()) }]))
            }
            _ => Err(problem),
        }
    }

    /// The same for a form with a field in which JSON is typed, the value at `pointer` of the body: what is wrong deep in
    /// it is said with the place.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_json(problem: Problem, pointer: &str, field: &str) -> Result<Self, Problem> {
        let place = problem.pointer().and_then(|at| at.strip_prefix(pointer)).map(str::to_owned);
        let mut errors = Self::of(problem)?;
        if let (Some(place), [error]) = (place, errors.0.as_mut_slice()) {
            field.clone_into(&mut error.field);
            if !place.is_empty() {
                error.text = format!("at `{place}`: {}", error.text);
            }
        }
        Ok(errors)
    }

    /// What is wrong, whatever kind it is, for a form that has no page to refuse it on.
    pub fn whole(problem: &Problem) -> Self {
        let field = problem.pointer().unwrap_or_default().trim_start_matches('/').to_owned();
        Self(vec![FormError { field, text: in_words(problem.detail()) }])
    }

    /// The status of a page that shows the form again: 422 with errors.
    pub fn status(&self) -> StatusCode {
        if self.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|error| error.field == field).map(|error| &*error.text)
    }

    /// What stands above the form, with links to its fields. `labels`: the names and labels of the fields.
    pub fn summary(&self, labels: &[(&str, &str)]) -> Markup {
        let label = |field: &str| labels.iter().find(|(name, _)| *name == field).map(|(_, label)| *label);
        html! {
            @if !self.is_none() {
                div.note.bad #errors role="alert" tabindex="-1" {
                    (icon("fail"))
                    h2 { @if self.0.len() == 1 { "One thing to fix" } @else { (self.0.len()) " things to fix" } }
                    @for error in &self.0 {
                        p {
                            @match label(&error.field) {
                                Some(label) => { a href={ "#" (error.field) } { (label) } ": " (prose(&error.text)) }
                                None if error.field.is_empty() => (prose(&error.text))
                                None => { span.mono { (error.field) } ": " (prose(&error.text)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The API's sentence without the words that only a program's author knows.
fn in_words(detail: &str) -> String {
    match detail.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected ")) {
        Some((_, expected)) => format!("must be {expected}"),
        None if detail.starts_with("the field `") && detail.ends_with("is missing") => "must be given".to_owned(),
        None => detail.to_owned(),
    }
}

/// A labelled control.
pub struct Field<'a> {
    pub name: &'a str,
    pub label: &'a str,
    pub value: &'a str,
    pub hint: Option<&'a str>,
    pub optional: bool,
    /// In the face for identifiers and bytes.
    pub mono: bool,
    /// What the browser is told of it: `text`, `url`, `password`, …
    pub kind: &'a str,
    /// For browsers that fill in.
    pub autocomplete: &'a str,
    /// What could stand in it, while it is empty.
    pub placeholder: Option<&'a str>,
}

impl<'a> Field<'a> {
    /// A line of text.
    pub fn new(name: &'a str, label: &'a str, value: &'a str) -> Self {
        Self {
            name,
            label,
            value,
            hint: None,
            optional: false,
            mono: false,
            kind: "text",
            autocomplete: "off",
            placeholder: None,
        }
    }

    /// With a sentence below.
    #[must_use]
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// It may be left empty.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// An identifier or bytes.
    #[must_use]
    pub fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    /// With what could stand in it.
    #[must_use]
    pub fn placeholder(mut self, placeholder: &'a str) -> Self {
        self.placeholder = Some(placeholder);
        self
    }

    /// Of another kind than text.
    #[must_use]
    pub fn kind(mut self, kind: &'a str, autocomplete: &'a str) -> Self {
        self.kind = kind;
        self.autocomplete = autocomplete;
        self
    }

    /// An `input`.
    pub fn input(&self, errors: &FormErrors) -> Markup {
        self.around(
            errors,
            &html! {
                input.in.mono[self.mono] id=(self.name) name=(self.name) type=(self.kind) value=(self.value)
                    placeholder=[self.placeholder]
                    autocomplete=(self.autocomplete) spellcheck=[self.mono.then_some("false")]
                    aria-invalid=[errors.at(self.name).map(|_| "true")] aria-describedby=[self.described_by(errors)];
            },
        )
    }

    /// A `textarea` of so many rows.
    pub fn area(&self, errors: &FormErrors, rows: u8) -> Markup {
        self.around(
            errors,
            &html! {
                textarea.in.mono[self.mono] id=(self.name) name=(self.name) rows=(rows)
                    autocomplete=(self.autocomplete) spellcheck=[self.mono.then_some("false")]
                    aria-invalid=[errors.at(self.name).map(|_| "true")] aria-describedby=[self.described_by(errors)]
                    { "\n" (self.value) }
            },
        )
    }

    /// A `select` of values and words.
    pub fn select(&self, errors: &FormErrors, options: &[(&str, &str)]) -> Markup {
        self.around(
            errors,
            &html! {
                select.in.mono[self.mono] id=(self.name) name=(self.name) aria-describedby=[self.described_by(errors)]
                    aria-invalid=[errors.at(self.name).map(|_| "true")] {
                    @for (value, word) in options { option value=(value) selected[*value == self.value] { (word) } }
                }
            },
        )
    }

    fn described_by(&self, errors: &FormErrors) -> Option<String> {
        let error = errors.at(self.name).map(|_| format!("{}-error", self.name));
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let all: Vec<String> = error.into_iter().chain(hint).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    fn around(&self, errors: &FormErrors, control: &Markup) -> Markup {
        html! {
            div.fld {
                label for=(self.name) { (self.label) @if self.optional { " " span.sub { "optional" } } }
                (control)
                (field_error(self.name, errors))
                @if let Some(hint) = self.hint { p.sub id={ (self.name) "-hint" } { (hint) } }
            }
        }
    }
}

/// What is wrong with one field, below it.
pub fn field_error(name: &str, errors: &FormErrors) -> Markup {
    html! {
        @if let Some(text) = errors.at(name) {
            p.err id={ (name) "-error" } { (icon("fail")) span { (prose(&sentence(text))) } }
        }
    }
}

/// A form that is one button: an action on the thing of this page.
pub fn action(page: &Page, path: &str, word: &str, class: &str, hidden: &[(&str, &str)]) -> Markup {
    html! {
        form.one method="post" action=(path) {
            (layout::form_token(page))
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            button class={ "btn " (class) } type="submit" { (word) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_says_is_said_at_the_field() {
        let problem = Problem::refused("/headers/a~1b", "`a/b` is <bad>");
        let errors = FormErrors::of(problem).unwrap();
        let text = errors.summary(&[("headers", "Headers")]).into_string();
        let said = r#"<span class="mono">a/b</span> is &lt;bad&gt;"#;
        assert!(text.contains(&format!(r##"<a href="#headers">Headers</a>: {said}"##)), "{text}");
        assert!(field_error("headers", &errors).into_string().contains(&format!("{said}.")));
        assert!(field_error("url", &errors).into_string().is_empty());
        assert!(FormErrors::of(Problem::not_found("endpoint")).is_err());
        let number = Problem::field(Kind::InvalidField, "/n", "invalid type: string \"x\", expected a number");
        assert_eq!(FormErrors::of(number).unwrap().at("n"), Some("must be a number"));
    }

    #[test]
    fn values_are_escaped_where_they_stand() {
        let field = Field::new("d", "D", "\"><script>alert(1)</script>");
        for text in [field.input(&FormErrors::default()), field.area(&FormErrors::default(), 3)] {
            assert!(!text.into_string().contains("<script"));
        }
    }
}
