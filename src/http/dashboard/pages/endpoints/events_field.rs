//! Which events an endpoint gets: every type, or those that are ticked, with what the catalog says of each beside it.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{
    super::super::{
        components::{FormErrors, field_error},
        page::Page,
    },
    settings::Settings,
};

/// A line to tick.
struct Choice {
    subscription: String,
    about: String,
}

/// The field. The catalog's types stand in groups by the first part of their names.
pub fn events_field(page: &Page, settings: &Settings, errors: &FormErrors) -> Markup {
    let groups = groups(page, &settings.ticked);
    html! {
        div #event_types tabindex="-1" {
            fieldset.fld {
                legend { "Events" }
                (field_error("event_types", errors))
                div.pick {
                    label { input type="radio" name="events" value="all" checked[settings.all] data-ticks="needless"; " Every type, new ones too" }
                    label { input type="radio" name="events" value="ticked" checked[!settings.all] data-ticks="needed"; " Only those ticked" }
                }
            }
            @for (group, choices) in &groups {
                fieldset.grp {
                    legend.mono { (group) }
                    div.ticks {
                        @for choice in choices {
                            label.tick {
                                input type="checkbox" name="event_types" value=(choice.subscription) data-tick=""
                                    checked[settings.ticked.contains(&choice.subscription)];
                                span.mono { (choice.subscription) }
                                span.sub { (choice.about) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn groups(page: &Page, ticked: &BTreeSet<String>) -> BTreeMap<String, Vec<Choice>> {
    let mut groups: BTreeMap<String, Vec<Choice>> = BTreeMap::new();
    let group_of = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let catalog = page.api().catalog().all();
    for entry in catalog.values() {
        let choice = Choice {
            subscription: entry.event_type.name.to_string(),
            about: entry.event_type.description.replace('`', ""),
        };
        groups.entry(group_of(&choice.subscription)).or_default().push(choice);
    }
    for (group, choices) in &mut groups {
        if choices.iter().any(|choice| choice.subscription.contains('.')) {
            let about = "All of these, and those that are added later.".to_owned();
            choices.push(Choice { subscription: format!("{group}.*"), about });
        }
    }
    for subscription in ticked {
        let choices = groups.entry(group_of(subscription)).or_default();
        if !choices.iter().any(|choice| choice.subscription == *subscription) {
            let about = if subscription.ends_with(".*") { "All below it." } else { "Not in the catalog." }.to_owned();
            choices.push(Choice { subscription: subscription.clone(), about });
        }
    }
    groups
}
