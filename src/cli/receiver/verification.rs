//! Whether a request was signed by who knows the secret (contract, section 2): both the platform's own header and the
//! Standard Webhooks headers, each compared in constant time.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use serde::Serialize;
use subtle::ConstantTimeEq as _;

use crate::domain::{signature::SigningSecret, time::Timestamp};

/// How far a `webhook-timestamp` may be from now, either way: what the Standard Webhooks libraries allow.
const TOLERANCE: Duration = Duration::from_mins(5);

/// What one of the two schemes says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Signed with one of the secrets.
    Valid,
    /// Signed with something else, or the headers are not what they should be.
    Invalid,
    /// Signed well, but not within five minutes of now: perhaps an old request, sent again by somebody else.
    Stale,
    /// The request does not have the scheme's headers.
    Absent,
}

impl Check {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Stale => "too old or too new",
            Self::Absent => "absent",
        }
    }
}

/// What both schemes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// `X-MythicDot-Signature`.
    pub platform: Check,
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    pub standard_webhooks: Check,
}

impl Verification {
    /// Checks a request against the secrets, any of which may have signed it.
    pub fn of(secrets: &[SigningSecret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Self {
        Self {
            platform: platform(secrets, headers, body),
            standard_webhooks: standard_webhooks(secrets, headers, body, now),
        }
    }

    /// At least one scheme vouches for the request, and none speaks against it.
    pub fn is_good(self) -> bool {
        let checks = [self.platform, self.standard_webhooks];
        checks.contains(&Check::Valid) && checks.iter().all(|check| matches!(check, Check::Valid | Check::Absent))
    }
}

/// A header's value if there is just one, which two in a row are not.
enum Header<'a> {
    Absent,
    One(&'a str),
    Unusable,
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Header<'a> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Header::Absent,
        (Some(value), None) => value.to_str().map_or(Header::Unusable, Header::One),
        _ => Header::Unusable,
    }
}

fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

fn platform(secrets: &[SigningSecret], headers: &HeaderMap, body: &[u8]) -> Check {
    let sent = match header(headers, "x-mythicdot-signature") {
        Header::Absent => return Check::Absent,
        Header::Unusable => return Check::Invalid,
        Header::One(sent) => sent,
    };
    if secrets.iter().any(|secret| same(&secret.platform_signature(body), sent)) {
        Check::Valid
    } else {
        Check::Invalid
    }
}

fn standard_webhooks(secrets: &[SigningSecret], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Check {
    let (id, seconds, sent) = match (
        header(headers, "webhook-id"),
        header(headers, "webhook-timestamp"),
        header(headers, "webhook-signature"),
    ) {
        (Header::Absent, Header::Absent, Header::Absent) => return Check::Absent,
        (Header::One(id), Header::One(seconds), Header::One(sent)) => (id, seconds, sent),
        _ => return Check::Invalid,
    };
    let (Ok(id), Ok(number)) = (id.parse(), seconds.parse::<i64>()) else {
        return Check::Invalid;
    };
    let timestamp = Timestamp::from_seconds(number);
    // What is signed is the header's text: another text of the same number is not what was signed.
    if timestamp.as_seconds().to_string() != seconds {
        return Check::Invalid;
    }
    let signed = secrets.iter().any(|secret| {
        let expected = secret.standard_webhooks_signature(&id, timestamp, body);
        sent.split(' ').any(|sent| same(&expected, sent))
    });
    if !signed {
        Check::Invalid
    } else if now.since(timestamp).max(timestamp.since(now)) > TOLERANCE {
        Check::Stale
    } else {
        Check::Valid
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"batch.completed","created":1,"data":{"object":{}}}"#;
    const NOW: i64 = 1_706_140_800;

    fn secret(byte: u8) -> SigningSecret {
        SigningSecret::from_random([byte; 24])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn signed(secret: &SigningSecret, at: i64) -> [(&'static str, String); 4] {
        let id = "evt_1".parse().unwrap();
        let standard = secret.standard_webhooks_signature(&id, Timestamp::from_seconds(at), BODY);
        [
            ("x-mythicdot-signature", secret.platform_signature(BODY)),
            ("webhook-id", "evt_1".to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", standard),
        ]
    }

    fn check(secrets: &[SigningSecret], pairs: &[(&'static str, String)]) -> Verification {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Verification::of(secrets, &headers(&pairs), BODY, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn both_schemes_or_either_alone_vouch() {
        let all = signed(&secret(1), NOW);
        let secrets = [secret(2), secret(1)];
        let both = check(&secrets, &all);
        assert_eq!((both.platform, both.standard_webhooks), (Check::Valid, Check::Valid));
        assert!(check(&secrets, &all[..1]).is_good());
        assert!(check(&secrets, &all[1..]).is_good());
        assert!(!check(&secrets, &[]).is_good());
        assert!(!check(&secrets, &all[2..]).is_good(), "half of the headers");
    }

    #[test]
    fn a_scheme_that_speaks_against_it_decides() {
        let mut pairs = signed(&secret(1), NOW);
        pairs[0].1 = secret(2).platform_signature(BODY);
        let verification = check(&[secret(1)], &pairs);
        assert_eq!((verification.platform, verification.standard_webhooks), (Check::Invalid, Check::Valid));
        assert!(!verification.is_good());
        assert!(!check(&[secret(2)], &signed(&secret(1), NOW)).is_good());
    }

    #[test]
    fn one_signature_of_several_is_enough() {
        let mut pairs = signed(&secret(1), NOW);
        pairs[3].1 = format!("{} {} v2,abc", signed(&secret(2), NOW)[3].1, pairs[3].1);
        assert_eq!(check(&[secret(1)], &pairs).standard_webhooks, Check::Valid);
    }

    #[test]
    fn five_minutes_either_way() {
        for (off, expected) in [(-300, Check::Valid), (300, Check::Valid), (-301, Check::Stale), (301, Check::Stale)] {
            assert_eq!(check(&[secret(1)], &signed(&secret(1), NOW + off)).standard_webhooks, expected, "{off}");
        }
    }

    #[test]
    fn odd_headers_are_not_taken_for_good_ones() {
        let good = signed(&secret(1), NOW);
        for (index, odd) in [
            (0, good[0].1.to_uppercase()),
            (0, String::new()),
            (1, "evt_2".to_owned()),
            (1, "msg 1".to_owned()),
            (2, format!("0{NOW}")),
            (2, format!("+{NOW}")),
            (2, "soon".to_owned()),
            (2, "99999999999999999999".to_owned()),
            (3, good[3].1.replace("v1,", "v1")),
            (3, String::new()),
        ] {
            let mut pairs = good.clone();
            pairs[index].1.clone_from(&odd);
            assert!(!check(&[secret(1)], &pairs).is_good(), "{odd}");
        }
        let mut twice = good.to_vec();
        twice.push(good[0].clone());
        assert_eq!(check(&[secret(1)], &twice).platform, Check::Invalid);
    }
}
