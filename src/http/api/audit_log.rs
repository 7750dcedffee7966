//! The audit log: every change, when, by which token, what, on what.

use actix_web::{HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    domain::{
        audit::{Actor, AuditEntry},
        ids::AuditId,
    },
    http::{
        Api, answer,
        auth::{Caller, CanRead},
        bounded::Line,
        extract::ListQuery,
        list::{self, List, PageParams},
        problem::Problem,
        text::{AccountText, AuditIdText, Text, TimeText, TokenIdText},
    },
    store::{AuditFilter, Page},
};

/// One change.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditResource {
    id: AuditIdText,
    at: TimeText,
    actor: ActorResource,
    /// What was done.
    #[schema(example = "endpoint.updated")]
    action: String,
    /// On what: an id or a name.
    #[schema(example = "ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    subject: String,
    /// Whose thing it is; null for things of the whole server.
    #[schema(required)]
    account: Option<AccountText>,
    /// The fields that were changed, a count, or the like. Never a secret.
    details: String,
}

/// Who made a change.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct ActorResource {
    /// `token`, or `server` for what it did by itself.
    r#type: ActorKind,
    /// The token's id.
    #[schema(required)]
    id: Option<TokenIdText>,
    /// The token's name at that time.
    #[schema(required)]
    name: Option<String>,
}

/// Kinds of actors.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    /// A token of the API.
    Token,
    /// The server itself.
    Server,
}

/// Which entries are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// About things of this account.
    account: Option<AccountText>,
    /// Of this action, e.g. `endpoint.updated`.
    #[param(inline)]
    action: Option<Line<64>>,
    /// On this id or name.
    #[param(inline)]
    subject: Option<Line<128>>,
    /// At this time or later.
    since: Option<TimeText>,
    /// Before this time.
    until: Option<TimeText>,
}

impl From<AuditEntry> for AuditResource {
    fn from(entry: AuditEntry) -> Self {
        let actor = match entry.actor {
            Actor::Token { id, name } => {
                ActorResource { r#type: ActorKind::Token, id: Some(Text(id)), name: Some(name) }
            }
            Actor::Server => ActorResource { r#type: ActorKind::Server, id: None, name: None },
        };
        Self {
            id: Text(entry.id),
            at: Text(entry.at),
            actor,
            action: entry.action,
            subject: entry.subject,
            account: entry.account.map(Text),
            details: entry.details,
        }
    }
}

/// List the audit log
///
/// A token that is bound to an account sees what was changed of that account's things.
#[utoipa::path(get, path = "/v1/audit-log", tag = "audit log", operation_id = "listAuditLog", params(AuditQuery, PageParams),
    responses((status = 200, description = "Entries, newest first.", body = List<AuditResource>)))]
pub async fn list(
    caller: Caller<CanRead>,
    query: ListQuery<AuditQuery>,
    api: Data<Api>,
) -> Result<HttpResponse, Problem> {
    let page = find(&api, &caller, &query, list::MOST_READS).await?;
    let entries = page.items.into_iter().map(AuditResource::from).collect();
    Ok(answer::ok(&query.page(entries, page.next.as_ref())))
}

/// The entries that are asked for.
///
/// # Errors
/// The cursor is of another list, the account another's, or the store does not answer.
pub async fn find<R>(
    api: &Api,
    caller: &Caller<R>,
    query: &ListQuery<AuditQuery>,
    most_reads: usize,
) -> Result<Page<AuditEntry, AuditId>, Problem> {
    let AuditQuery { account, action, subject, since, until } = &query.filter;
    let filter = AuditFilter {
        account: caller.account_filter(account.clone().map(|Text(account)| account))?,
        action: action.clone().map(|Line(action)| action),
        subject: subject.clone().map(|Line(subject)| subject),
        since: since.clone().map(|Text(time)| time),
        until: until.clone().map(|Text(time)| time),
    };
    let (limit, after) = (query.limit(), query.after()?);
    Ok(api
        .store()
        .read(move |store| list::fill_within(most_reads, limit, after, |part| store.audit_log(&filter, part)))
        .await?)
}
