//! Plain JSON values within bounds: the type carries the bounds, the reader keeps them, the OpenAPI document names them.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, RefOr,
        schema::{Schema, Type},
    },
};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ranged<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Ranged<MIN, MAX> {
    /// The number; `T::MAX` if `T` is too small for it, which the bounds preclude where it is used.
    #[must_use]
    pub fn get<T: TryFrom<u64> + Limit>(self) -> T {
        T::try_from(self.0).unwrap_or(T::LARGEST)
    }
}

/// Integers that a [`Ranged`] can be read as.
pub trait Limit {
    /// The largest value.
    const LARGEST: Self;
}

macro_rules! limits {
    ($($type:ty),+) => {$(impl Limit for $type { const LARGEST: Self = <$type>::MAX; })+};
}
limits!(u16, u32, u64, i64, usize);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Ranged<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> de::Visitor<'_> for Reader<MIN, MAX> {
            type Value = Ranged<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                if (MIN..=MAX).contains(&number) {
                    Ok(Ranged(number))
                } else {
                    Err(E::custom(format_args!("must be a whole number from {MIN} to {MAX}")))
                }
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                // JSON and JSON Schema know no difference between 5 and 5.0. Up to 2^53 both stand for the same number.
                if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
                    return self.visit_u64(number as u64);
                }
                Err(E::custom(format_args!("must be a whole number from {MIN} to {MAX}")))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                // A negative number becomes one beyond every bound.
                self.visit_u64(u64::try_from(number).unwrap_or(if MIN > 0 { 0 } else { u64::MAX }))
            }
        }

        deserializer.deserialize_u64(Reader::<MIN, MAX>)
    }
}

impl<const MIN: u64, const MAX: u64> PartialSchema for Ranged<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(MIN)).maximum(Some(MAX)).build().into()
    }
}

impl<const MIN: u64, const MAX: u64> ToSchema for Ranged<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("From{MIN}To{MAX}"))
    }
}

/// 1 to `MAX` characters on one line: no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MAX: usize>(pub String);

/// Up to `MAX` characters; of the control characters, only line feed and tab.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prose<const MAX: usize>(pub String);

impl<'de, const MAX: usize> Deserialize<'de> for Line<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length = text.chars().take(MAX + 1).count();
        if length == 0 || length > MAX {
            return Err(de::Error::custom(format_args!("must have 1 to {MAX} characters")));
        }
        if text.chars().any(char::is_control) {
            return Err(de::Error::custom("must not contain control characters"));
        }
        Ok(Self(text))
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Prose<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().take(MAX + 1).count() > MAX {
            return Err(de::Error::custom(format_args!("must have at most {MAX} characters")));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(de::Error::custom("must not contain control characters but line feed and tab"));
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> PartialSchema for Line<MAX> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(MAX));
        text.pattern(Some(r"^[^\u0000-\u001f\u007f-\u009f]*$")).build().into()
    }
}

impl<const MAX: usize> ToSchema for Line<MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Line{MAX}"))
    }
}

impl<const MAX: usize> PartialSchema for Prose<MAX> {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some(MAX));
        text.pattern(Some(r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$")).build().into()
    }
}

impl<const MAX: usize> ToSchema for Prose<MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Prose{MAX}"))
    }
}

/// `MIN` to `MAX` items; a longer array is refused while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Items<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for Items<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T, const MIN: usize, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> de::Visitor<'de> for Reader<T, MIN, MAX> {
            type Value = Items<T, MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of {MIN} to {MAX} items")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX {
                    match array.next_element()? {
                        Some(item) => items.push(item),
                        None => break,
                    }
                }
                // Reading on also sees to it that the array ends here.
                let surplus = items.len() == MAX && array.next_element::<de::IgnoredAny>()?.is_some();
                if surplus || items.len() < MIN {
                    return Err(de::Error::custom(format_args!("must have {MIN} to {MAX} items")));
                }
                Ok(Items(items))
            }
        }

        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

impl<T: ToSchema, const MIN: usize, const MAX: usize> PartialSchema for Items<T, MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        let item = utoipa::openapi::Ref::from_schema_name(T::name());
        ArrayBuilder::new().items(item).min_items(Some(MIN)).max_items(Some(MAX)).build().into()
    }
}

impl<T: ToSchema, const MIN: usize, const MAX: usize> ToSchema for Items<T, MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{MIN}To{MAX}Of{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// A JSON object read as `T`. Derived readers alone would also take an array with the fields' values in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// A field of a PATCH.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not given: stays as it is.
    #[default]
    Absent,
    /// `null`: goes back to the default.
    Reset,
    /// A new value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

impl<T> Field<T> {
    /// Whether the request names the field.
    #[must_use]
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The same with a checked value.
    pub fn try_map<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<Field<U>, E> {
        Ok(match self {
            Self::Absent => Field::Absent,
            Self::Reset => Field::Reset,
            Self::Set(value) => Field::Set(check(value)?),
        })
    }

    /// Puts the value, or the default on a reset, in its place.
    pub fn apply<U>(self, place: &mut U, default: U, convert: impl FnOnce(T) -> U) {
        match self {
            Self::Absent => {}
            Self::Reset => *place = default,
            Self::Set(value) => *place = convert(value),
        }
    }
}

/// Reads a field that may be left out, but not be `null`.
pub fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
