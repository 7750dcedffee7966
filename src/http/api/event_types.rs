//! The catalog: built-in event types and the operators' own, each with an example and perhaps a JSON Schema. It is the
//! same for all accounts, so only a token that is not bound to one can change it.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    domain::{
        endpoint::Endpoint,
        event_type::{EventType, EventTypeName},
        json_text,
        subscription::Subscription,
    },
    http::{
        Api, answer,
        auth::{Caller, CanChangeServer, CanRead},
        bounded::Prose,
        catalog::{Entry, Put},
        extract::{Json, ListQuery, Name, NewName, NoQuery, check_depth},
        list::{self, List, PageParams},
        problem::{Kind, Problem},
        schema::CompiledSchema,
        text::{EventTypeText, Text},
    },
};

/// An event type to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "invoice.paid",
    "description": "An invoice was paid in full.",
    "example": {"id": "inv_42", "amount": 1200},
    "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
}))]
pub struct NewEventType {
    name: EventTypeText,
    /// What happened, in a sentence.
    #[schema(inline)]
    description: Prose<1000>,
    /// A realistic `data.object`. It must fit the schema.
    #[schema(value_type = Object)]
    example: Box<RawValue>,
    /// A JSON Schema (2020-12) of `data.object`, of 64 KiB at most, that refers to nothing outside.
    #[schema(value_type = Option<Object>)]
    schema: Option<Box<RawValue>>,
    /// Whether events that break the schema are refused. False, if left out.
    enforce_schema: Option<bool>,
}

/// An event type to put in its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "description": "An invoice was paid in full.",
    "example": {"id": "inv_42", "amount": 1200},
    "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    "enforce_schema": true
}))]
pub struct EventTypeUpdate {
    /// The name in the path again, if given.
    name: Option<EventTypeText>,
    /// What happened, in a sentence.
    #[schema(inline)]
    description: Prose<1000>,
    /// A realistic `data.object`. It must fit the schema.
    #[schema(value_type = Object)]
    example: Box<RawValue>,
    /// A JSON Schema (2020-12) of `data.object`, of 64 KiB at most, that refers to nothing outside.
    #[schema(value_type = Option<Object>)]
    schema: Option<Box<RawValue>>,
    /// Whether events that break the schema are refused. False, if left out.
    enforce_schema: Option<bool>,
}

/// An event type of the catalog.
#[derive(Serialize, ToSchema)]
#[schema(as = EventType)]
pub struct EventTypeResource {
    name: EventTypeText,
    description: String,
    #[schema(value_type = Object)]
    example: Box<RawValue>,
    #[schema(required, value_type = Option<Object>)]
    schema: Option<Box<RawValue>>,
    enforce_schema: bool,
    /// Whether its name is one of those that the server comes with. Such a one can be changed, but not deleted.
    built_in: bool,
}

/// Lists without filters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

impl TryFrom<&Entry> for EventTypeResource {
    type Error = Problem;

    fn try_from(entry: &Entry) -> Result<Self, Problem> {
        let EventType { name, description, example, schema, enforce_schema } = entry.event_type.clone();
        // They were checked where they entered.
        let raw = |text: String| {
            RawValue::from_string(text).map_err(|_| Problem::new(Kind::Unavailable, "an event type cannot be read"))
        };
        Ok(Self {
            name: Text(name),
            description,
            example: raw(example)?,
            schema: schema.map(raw).transpose()?,
            enforce_schema,
            built_in: entry.built_in,
        })
    }
}

/// List event types
///
/// By name.
#[utoipa::path(get, path = "/v1/event-types", tag = "event types", operation_id = "listEventTypes", params(PageParams),
    responses((status = 200, description = "Event types, by name.", body = List<EventTypeResource>)))]
pub async fn list(_: Caller<CanRead>, query: ListQuery<NoFilter>, api: Data<Api>) -> Result<HttpResponse, Problem> {
    let after: Option<EventTypeName> = query.after()?;
    let entries = api.catalog().all();
    let rest = entries.values().filter(|entry| after.as_ref().is_none_or(|after| entry.event_type.name > *after));
    let page = list::cut(query.limit(), rest, |entry| entry.event_type.name.clone());
    let resources: Result<_, _> = page.items.iter().map(|entry| EventTypeResource::try_from(&***entry)).collect();
    Ok(answer::ok(&query.page(resources?, page.next.as_ref())))
}

/// Show an event type
#[utoipa::path(get, path = "/v1/event-types/{name}", tag = "event types", operation_id = "getEventType",
    params(("name" = EventTypeText, Path, description = "The event type's name.")),
    responses((status = 200, description = "The event type.", body = EventTypeResource)))]
pub async fn get(
    _: Caller<CanRead>,
    _: NoQuery,
    name: Name<EventTypeName>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let entry = api.catalog().get(&name.0).ok_or_else(|| Problem::not_found("event type"))?;
    Ok(answer::ok(&EventTypeResource::try_from(&*entry)?))
}

/// Add an event type
#[utoipa::path(post, path = "/v1/event-types", tag = "event types", operation_id = "createEventType",
    request_body = NewEventType,
    responses(
        (status = 201, description = "It is in the catalog.", body = EventTypeResource,
            headers(("Location" = String, description = "Its path."))),
        (status = 409, description = "There is one of this name."),
        (status = 422, description = "The schema is not taken, or the example does not fit it."),
    ))]
pub async fn create(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    body: Json<NewEventType>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let entry = add(&api, &caller, body.0).await?;
    let location = format!("/v1/event-types/{}", entry.event_type.name);
    Ok(answer::created(&location, &EventTypeResource::try_from(&*entry)?))
}

/// Checks and adds an event type.
///
/// # Errors
/// It is refused, there is one of this name, or the store does not take it.
pub async fn add(api: &Api, caller: &Caller<CanChangeServer>, new: NewEventType) -> Result<Arc<Entry>, Problem> {
    let NewEventType { name: Text(name), description, example, schema, enforce_schema } = new;
    let event_type = checked(name, description, &example, schema.as_deref(), enforce_schema)?;
    let audit = caller.audit("event_type.created", &event_type.name, None, "");
    let put = api.catalog().put(api.store(), event_type, true, |_| audit).await?;
    let put = put
        .ok_or_else(|| Problem::field(Kind::Conflict, "/name", "the catalog has an event type of this name already"))?;
    Ok(put.entry)
}

/// Put an event type in its place
///
/// Replaces it whole, or adds it. A built-in one can be replaced too.
#[utoipa::path(put, path = "/v1/event-types/{name}", tag = "event types", operation_id = "putEventType",
    params(("name" = EventTypeText, Path, description = "The event type's name.")),
    request_body = EventTypeUpdate,
    responses(
        (status = 200, description = "It was replaced.", body = EventTypeResource),
        (status = 201, description = "It was added.", body = EventTypeResource,
            headers(("Location" = String, description = "Its path."))),
        (status = 422, description = "The schema is not taken, the example does not fit it, or the body has another name than the path."),
    ))]
pub async fn put(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    name: NewName<EventTypeName>,
    body: Json<EventTypeUpdate>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let put = replace(&api, &caller, name.0, body.0).await?;
    let resource = EventTypeResource::try_from(&*put.entry)?;
    if put.is_new {
        Ok(answer::created(&format!("/v1/event-types/{}", put.entry.event_type.name), &resource))
    } else {
        Ok(answer::ok(&resource))
    }
}

/// Checks an event type and puts it in its place.
///
/// # Errors
/// It is refused, or the store does not take it.
pub async fn replace(
    api: &Api,
    caller: &Caller<CanChangeServer>,
    name: EventTypeName,
    update: EventTypeUpdate,
) -> Result<Put, Problem> {
    let EventTypeUpdate { name: again, description, example, schema, enforce_schema } = update;
    if again.is_some_and(|Text(again)| again != name) {
        return Err(Problem::refused("/name", "the name in the body is not the one in the path"));
    }
    let event_type = checked(name, description, &example, schema.as_deref(), enforce_schema)?;
    let subject = event_type.name.clone();
    let audit = |is_new| {
        let action = if is_new { "event_type.created" } else { "event_type.updated" };
        caller.audit(action, &subject, None, "")
    };
    let put = api.catalog().put(api.store(), event_type, false, audit).await?;
    put.ok_or_else(|| Problem::not_found("event type"))
}

/// Delete an event type
#[utoipa::path(delete, path = "/v1/event-types/{name}", tag = "event types", operation_id = "deleteEventType",
    params(("name" = EventTypeText, Path, description = "The event type's name.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "It is a built-in one, or an endpoint names it."),
    ))]
pub async fn delete(
    caller: Caller<CanChangeServer>,
    _: NoQuery,
    name: Name<EventTypeName>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    remove(&api, &caller, &name.0).await?;
    Ok(answer::no_content())
}

/// Deletes an event type.
///
/// # Errors
/// It is built in, an endpoint names it, there is none, or the store does not take it.
pub async fn remove(api: &Api, caller: &Caller<CanChangeServer>, name: &EventTypeName) -> Result<(), Problem> {
    let entry = api.catalog().get(name).ok_or_else(|| Problem::not_found("event type"))?;
    if entry.built_in {
        return Err(Problem::new(Kind::Conflict, "it is built in: it can be replaced, but not deleted"));
    }
    let exact = Subscription::Exact(name.clone());
    let names_it = |endpoint: &&Arc<Endpoint>| endpoint.event_types.contains(&exact);
    if let Some(endpoint) = api.registry().snapshot().endpoints().values().find(names_it) {
        return Err(Problem::new(Kind::Conflict, format!("the endpoint {} subscribes to it by name", endpoint.id)));
    }
    let audit = caller.audit("event_type.deleted", name, None, "");
    let deleted = api.catalog().delete(api.store(), name, audit).await?;
    deleted.then_some(()).ok_or_else(|| Problem::not_found("event type"))
}

fn checked(
    name: EventTypeName,
    Prose(description): Prose<1000>,
    example: &RawValue,
    schema: Option<&RawValue>,
    enforce_schema: Option<bool>,
) -> Result<EventType, Problem> {
    let object = |value: &RawValue, pointer: &'static str| {
        check_depth(value.get(), pointer)?;
        let text = value.get().starts_with('{').then(|| json_text::compact(value.get()));
        text.ok_or_else(|| Problem::field(Kind::InvalidField, pointer, "must be an object"))
    };
    let example = object(example, "/example")?;
    let schema = schema.map(|schema| object(schema, "/schema")).transpose()?;
    let enforce_schema = enforce_schema.unwrap_or(false);
    match &schema {
        Some(text) => {
            let compiled =
                CompiledSchema::compile(text).map_err(|error| Problem::refused("/schema", error.to_string()))?;
            compiled.check(&example).map_err(|violation| {
                let detail = format!("the example does not fit the schema: {}", violation.message);
                Problem::refused(format!("/example{}", violation.pointer), detail)
            })?;
        }
        None if enforce_schema => return Err(Problem::refused("/enforce_schema", "there is no schema to enforce")),
        None => {}
    }
    Ok(EventType { name, description, example, schema, enforce_schema })
}
