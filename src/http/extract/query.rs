//! Query parameters: each at most once, none that is unknown, each of its type. Routes without any say so with
//! [`NoQuery`], lists take [`ListQuery`].

use std::{
    borrow::Cow,
    fmt,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::{
    Deserialize,
    de::{self, DeserializeOwned, DeserializeSeed, Visitor},
    forward_to_deserialize_any,
};

use crate::http::{
    bounded::Ranged,
    list::{DEFAULT_LIMIT, List, MAX_LIMIT, Position, cursor_place},
    problem::{Kind, Problem},
};

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters that `T` names.
pub struct Query<T>(pub T);

/// No parameters at all.
pub struct NoQuery;

/// The parameters of a list: a filter, `limit` and `cursor`.
pub struct ListQuery<F> {
    /// What is asked for.
    pub filter: F,
    limit: usize,
    cursor: Option<String>,
    /// The list and its filter as text: a cursor holds for these alone.
    place: Vec<u8>,
}

impl<F> ListQuery<F> {
    /// At most so many items.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Where the cursor points; `None` for the first page.
    ///
    /// # Errors
    /// The cursor is not one of this list with this filter.
    pub fn after<K: Position>(&self) -> Result<Option<K>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        K::from_cursor(cursor, &self.place)
            .map(Some)
            .ok_or_else(|| Problem::parameter("cursor", "it is not a `next_cursor` of this list with these filters"))
    }

    /// A page with the cursor of the next one.
    pub fn page<T, K: Position>(&self, data: Vec<T>, next: Option<&K>) -> List<T> {
        List { data, has_more: next.is_some(), next_cursor: next.map(|next| next.to_cursor(&self.place)) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
struct Paging {
    limit: Option<Ranged<1, MAX_LIMIT>>,
    cursor: Option<String>,
}

const PAGING: [&str; 2] = ["limit", "cursor"];

impl<T: DeserializeOwned + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(pairs(request.query_string()).and_then(|pairs| read(&pairs, &[])).map(Self))
    }
}

impl FromRequest for NoQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if request.query_string().is_empty() {
            return ready(Ok(Self));
        }
        ready(pairs(request.query_string()).and_then(|pairs| read::<Nothing>(&pairs, &[])).map(|Nothing {}| Self))
    }
}

impl<F: DeserializeOwned + 'static> FromRequest for ListQuery<F> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read_list(request.path(), request.query_string()))
    }
}

fn read_list<F: DeserializeOwned>(path: &str, query: &str) -> Result<ListQuery<F>, Problem> {
    read_list_pairs(path, pairs(query)?)
}

fn read_list_pairs<F: DeserializeOwned>(path: &str, pairs: Vec<Pair<'_>>) -> Result<ListQuery<F>, Problem> {
    let (paging, mut rest): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| PAGING.contains(&name.as_ref()));
    let filter = read(&rest, &PAGING)?;
    let paging: Paging = read(&paging, &[])?;
    rest.sort();
    let limit = paging.limit.map_or(DEFAULT_LIMIT, Ranged::get);
    Ok(ListQuery { filter, limit, cursor: paging.cursor, place: cursor_place(path, &rest) })
}

/// The parameters of a page. Forms send every field, so an empty one counts as left out.
///
/// # Errors
/// 400: there is one that is unknown, twice there or not of its type.
pub fn page_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    read(&given(query)?, &[])
}

/// The parameters of a page with a list; a page has no more items than a list has by default, so that it stays small.
///
/// # Errors
/// As [`page_query`].
pub fn page_list_query<F: DeserializeOwned>(path: &str, query: &str) -> Result<ListQuery<F>, Problem> {
    let query = read_list_pairs(path, given(query)?)?;
    Ok(ListQuery { limit: query.limit.min(DEFAULT_LIMIT), ..query })
}

fn given(query: &str) -> Result<Vec<Pair<'_>>, Problem> {
    Ok(pairs(query)?.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

/// The pairs, percent-decoded, each name once.
fn pairs(query: &str) -> Result<Vec<Pair<'_>>, Problem> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let malformed = || Problem::new(Kind::InvalidParameter, "the query is not percent-encoded UTF-8");
        let name = decode(name).ok_or_else(malformed)?;
        let of_name = || Problem::parameter(name.clone().into_owned(), "it is not percent-encoded UTF-8");
        let value = decode(value).ok_or_else(of_name)?;
        if pairs.iter().any(|(earlier, _)| *earlier == name) {
            return Err(Problem::parameter(name.into_owned(), "it is given twice"));
        }
        if pairs.len() == 32 {
            return Err(Problem::new(Kind::InvalidParameter, "there are more than 32 parameters"));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Percent-decoding with `+` as a space (the form encoding of the WHATWG); unlike it, strict.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, tail @ ..] = tail else { return None };
                let digit = |byte: u8| char::from(byte).to_digit(16);
                bytes.push(u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?);
                rest = tail;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn read<T: DeserializeOwned>(pairs: &[Pair<'_>], also_known: &'static [&'static str]) -> Result<T, Problem> {
    T::deserialize(Parameters { pairs, also_known }).map_err(|QueryError(problem)| problem)
}

#[derive(Debug)]
struct QueryError(Problem);

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for QueryError {}

impl de::Error for QueryError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Problem::new(Kind::InvalidParameter, message.to_string()))
    }
}

/// All parameters, as a struct's fields.
struct Parameters<'p, 'q> {
    pairs: &'p [Pair<'q>],
    also_known: &'static [&'static str],
}

impl<'de> de::Deserializer<'de> for Parameters<'_, '_> {
    type Error = QueryError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, QueryError> {
        if let Some((name, _)) = self.pairs.iter().find(|(name, _)| !fields.contains(&name.as_ref())) {
            let known: Vec<_> = fields.iter().chain(self.also_known).map(|name| format!("`{name}`")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail = format!("there is no such parameter here; there are: {known}");
            return Err(QueryError(Problem::parameter(name.to_string(), detail)));
        }
        visitor.visit_map(Fields { pairs: self.pairs, value: None })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_map(Fields { pairs: self.pairs, value: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'p, 'q> {
    pairs: &'p [Pair<'q>],
    value: Option<&'p Pair<'q>>,
}

impl<'de> de::MapAccess<'de> for Fields<'_, '_> {
    type Error = QueryError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, QueryError> {
        let Some((pair, rest)) = self.pairs.split_first() else { return Ok(None) };
        self.pairs = rest;
        self.value = Some(pair);
        seed.deserialize(ParameterValue(&pair.0)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, QueryError> {
        let Some((name, value)) = self.value else { return Err(de::Error::custom("a value without a name")) };
        seed.deserialize(ParameterValue(value)).map_err(|error| {
            let inner = error.0;
            QueryError(Problem::parameter(name.to_string(), inner.detail().to_owned()))
        })
    }
}

/// One parameter's text, read as what is asked for.
struct ParameterValue<'p>(&'p str);

impl<'de> de::Deserializer<'de> for ParameterValue<'_> {
    type Error = QueryError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        visitor.visit_some(self)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        let digits = !self.0.is_empty() && self.0.bytes().all(|b| b.is_ascii_digit());
        match self.0.parse() {
            Ok(number) if digits => visitor.visit_u64(number),
            // More digits than fit are out of every range.
            Err(_) if digits => visitor.visit_u64(u64::MAX),
            _ => Err(de::Error::custom("must be a whole number")),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, QueryError> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(de::Error::custom("must be `true` or `false`")),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::ids::DeliveryId,
        http::text::{AccountText, DeliveryStatusText},
    };

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Filter {
        account: Option<AccountText>,
        status: Option<DeliveryStatusText>,
        response_code: Option<Ranged<100, 999>>,
    }

    fn list(query: &str) -> Result<ListQuery<Filter>, Problem> {
        read_list("/v1/deliveries", query)
    }

    #[test]
    fn parameters_are_read_by_their_types() {
        let query = list("account=a%3Ab&status=failed&response_code=503&limit=7").unwrap();
        assert_eq!(query.limit(), 7);
        assert_eq!(query.filter.account.unwrap().0.as_str(), "a:b");
        assert_eq!(query.filter.status.unwrap().0.as_str(), "failed");
        assert_eq!(query.filter.response_code.unwrap().get::<u16>(), 503);
        assert_eq!(list("").unwrap().limit(), DEFAULT_LIMIT);
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said() {
        for (query, parameter) in [
            ("colour=red", "colour"),
            ("limit=1&limit=1", "limit"),
            ("account=a&acc%6Funt=a", "account"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("limit=99999999999999999999999", "limit"),
            ("limit=-1", "limit"),
            ("limit=%2B1", "limit"),
            ("limit=", "limit"),
            ("limit", "limit"),
            ("status=Failed", "status"),
            ("status=", "status"),
            ("account=a%00b", "account"),
            ("response_code=1e2", "response_code"),
        ] {
            let problem = list(query).err().unwrap_or_else(|| panic!("{query} was taken"));
            assert_eq!(
                (problem.kind(), problem.parameter_name()),
                (Kind::InvalidParameter, Some(parameter)),
                "{query}"
            );
        }
        for (query, parameter) in [
            ("account=%", Some("account")),
            ("account=%zz", Some("account")),
            ("account=%ff", Some("account")),
            ("%c3%28=1", None),
        ] {
            let problem = list(query).err().unwrap_or_else(|| panic!("{query} was taken"));
            assert_eq!((problem.kind(), problem.parameter_name()), (Kind::InvalidParameter, parameter), "{query}");
        }
    }

    #[test]
    fn a_cursor_holds_for_its_list_and_filter_alone() {
        let id = DeliveryId::from_u128(77 << 80);
        let page = list("account=a&status=failed&limit=2").unwrap().page::<(), _>(vec![], Some(&id));
        let cursor = page.next_cursor.unwrap();
        let again = |query: String| list(&query).unwrap().after::<DeliveryId>();
        assert_eq!(again(format!("limit=9&status=failed&cursor={cursor}&account=a")).unwrap(), Some(id));
        assert!(again(format!("account=b&status=failed&cursor={cursor}")).is_err());
        assert!(again(format!("cursor={cursor}")).is_err());
        assert!(again(format!("account=a&status=failed&cursor={cursor}A")).is_err());
        assert!(again("cursor=".to_owned()).is_err());
        let mut other = cursor.into_bytes();
        let last = other.len() - 3;
        other[last] = if other[last] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert!(again(format!("account=a&status=failed&cursor={other}")).is_err(), "a changed cursor");
    }
}
