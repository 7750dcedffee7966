//! The catalog of event types: those built in (`data/event_types/`) and the operators' own from the store, as a snapshot
//! that every event is looked up in. A stored entry with a built-in name stands in its place.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use super::schema::{CompiledSchema, SchemaError, Violation};
use crate::{
    domain::{
        event_type::{EventType, EventTypeName},
        json_text,
        subscription::Subscription,
    },
    store::{NewAudit, Store, StoreError},
};

const BUILT_IN: [&str; 6] = [
    include_str!("../../data/event_types/batch.completed.json"),
    include_str!("../../data/event_types/batch.failed.json"),
    include_str!("../../data/event_types/fine_tuning.job.created.json"),
    include_str!("../../data/event_types/fine_tuning.job.failed.json"),
    include_str!("../../data/event_types/fine_tuning.job.succeeded.json"),
    include_str!("../../data/event_types/usage.threshold.reached.json"),
];

/// One entry, with its schema compiled when first needed.
pub struct Entry {
    /// As it is stored or built in.
    pub event_type: EventType,
    /// Whether its name is a built-in one.
    pub built_in: bool,
    compiled: OnceLock<Result<CompiledSchema, SchemaError>>,
}

impl Entry {
    fn new(event_type: EventType, built_in: bool) -> Arc<Self> {
        Arc::new(Self { event_type, built_in, compiled: OnceLock::new() })
    }

    /// Checks an object against the schema, where that is to be enforced.
    ///
    /// # Errors
    /// Where the object breaks it.
    pub fn enforce(&self, object: &str) -> Result<(), Violation> {
        if !self.event_type.enforce_schema {
            return Ok(());
        }
        let Some(text) = &self.event_type.schema else { return Ok(()) };
        match self.compiled.get_or_init(|| CompiledSchema::compile(text)) {
            Ok(schema) => schema.check(object),
            // Schemas are compiled before they are stored; one that a later release takes no more refuses its events.
            Err(error) => Err(Violation { pointer: String::new(), message: error.to_string() }),
        }
    }
}

type Entries = BTreeMap<EventTypeName, Arc<Entry>>;

/// Why the catalog was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of this release is not what it should be.
    #[error("a built-in event type cannot be read: {0}")]
    BuiltIn(String),
}

/// The catalog.
pub struct Catalog {
    entries: ArcSwap<Entries>,
    /// One change at a time, so that the snapshot is what the store has.
    changing: Mutex<()>,
}

impl Catalog {
    /// The built-in entries and the stored ones.
    pub fn load(store: &Store) -> Result<Self, CatalogError> {
        let mut entries = built_in()?;
        for stored in store.event_types()? {
            let built_in = entries.contains_key(&stored.name);
            entries.insert(stored.name.clone(), Entry::new(stored, built_in));
        }
        Ok(Self { entries: ArcSwap::from_pointee(entries), changing: Mutex::new(()) })
    }

    /// The entry of this name.
    pub fn get(&self, name: &EventTypeName) -> Option<Arc<Entry>> {
        self.entries.load().get(name).cloned()
    }

    /// All entries, by name.
    pub fn all(&self) -> Arc<Entries> {
        self.entries.load_full()
    }

    /// Whether the catalog has an entry that a subscription matches.
    pub fn has_match(&self, subscription: &Subscription) -> bool {
        self.entries.load().keys().any(|name| subscription.matches(name))
    }

    /// The first entry that one of these subscriptions matches.
    pub fn first_match(&self, subscriptions: &[Subscription]) -> Option<Arc<Entry>> {
        let entries = self.entries.load();
        entries.values().find(|entry| subscriptions.iter().any(|s| s.matches(&entry.event_type.name))).cloned()
    }

    /// Stores an entry. False, and nothing is stored, if `only_new` and there is one of this name.
    pub async fn put(
        &self,
        store: &Store,
        event_type: EventType,
        only_new: bool,
        audit: impl FnOnce(bool) -> NewAudit,
    ) -> Result<Option<Put>, StoreError> {
        let _changing = self.changing.lock().await;
        let before = self.entries.load_full();
        let old = before.get(&event_type.name);
        if only_new && old.is_some() {
            return Ok(None);
        }
        store.put_event_type(event_type.clone(), audit(old.is_none())).await?;
        let entry = Entry::new(event_type, old.is_some_and(|old| old.built_in));
        let put = Put { is_new: old.is_none(), entry: Arc::clone(&entry) };
        let mut entries = Entries::clone(&before);
        entries.insert(entry.event_type.name.clone(), entry);
        self.entries.store(Arc::new(entries));
        Ok(Some(put))
    }

    /// Removes an entry; false if there is none. The caller has seen to it that it may go.
    pub async fn delete(&self, store: &Store, name: &EventTypeName, audit: NewAudit) -> Result<bool, StoreError> {
        let _changing = self.changing.lock().await;
        if !store.delete_event_type(name.clone(), audit).await? {
            return Ok(false);
        }
        let mut entries = Entries::clone(&self.entries.load());
        entries.remove(name);
        self.entries.store(Arc::new(entries));
        Ok(true)
    }
}

/// What a stored entry came to.
pub struct Put {
    /// Whether there was none of this name.
    pub is_new: bool,
    /// The entry as it is now.
    pub entry: Arc<Entry>,
}

fn built_in() -> Result<Entries, CatalogError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File<'a> {
        name: String,
        description: String,
        #[serde(borrow)]
        example: &'a RawValue,
        #[serde(borrow)]
        schema: &'a RawValue,
    }

    let read = |text: &'static str| {
        let file: File<'_> = serde_json::from_str(text).map_err(|error| CatalogError::BuiltIn(error.to_string()))?;
        let name: EventTypeName = file.name.parse().map_err(|_| CatalogError::BuiltIn(file.name.clone()))?;
        let event_type = EventType {
            name: name.clone(),
            description: file.description,
            example: json_text::compact(file.example.get()),
            schema: Some(json_text::compact(file.schema.get())),
            enforce_schema: false,
        };
        Ok((name, Entry::new(event_type, true)))
    };
    BUILT_IN.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_types_are_those_of_the_contract_and_fit_their_schemas() {
        let entries = built_in().unwrap();
        let names: Vec<_> = entries.keys().map(EventTypeName::as_str).collect();
        assert_eq!(
            names,
            [
                "batch.completed",
                "batch.failed",
                "fine_tuning.job.created",
                "fine_tuning.job.failed",
                "fine_tuning.job.succeeded",
                "usage.threshold.reached"
            ]
        );
        for (text, entry) in BUILT_IN.iter().zip(entries.values()) {
            let event_type = &entry.event_type;
            assert!(!event_type.enforce_schema, "contract, section 3");
            assert!(event_type.description.len() > 20 && event_type.description.ends_with('.'));
            crate::domain::json::check(text).unwrap();
            let schema = CompiledSchema::compile(event_type.schema.as_deref().unwrap());
            let schema = schema.unwrap_or_else(|error| panic!("{}: {error}", event_type.name));
            assert_eq!(schema.check(&event_type.example), Ok(()), "{}", event_type.name);
            assert!(schema.check("{}").is_err(), "{}: the schema asks for something", event_type.name);
        }
    }

    #[test]
    fn an_enforced_schema_is_enforced() {
        let mut event_type = built_in().unwrap().values().next().unwrap().event_type.clone();
        assert_eq!(Entry::new(event_type.clone(), true).enforce("{}"), Ok(()));
        event_type.enforce_schema = true;
        let entry = Entry::new(event_type, true);
        assert!(entry.enforce("{}").is_err());
        assert_eq!(entry.enforce(&entry.event_type.example), Ok(()));
    }
}
