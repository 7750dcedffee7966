//! Secrets and signatures: the platform's hex header and Standard Webhooks from one secret, and which of an
//! endpoint's live secrets signs during a rotation's overlap (contract, section 2).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac, digest::Output};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{ids::EventId, time::Timestamp};

const PREFIX: &str = "whsec_";
const GENERATED_BYTES: usize = 24;
const LONGEST_BYTES: usize = 64;

/// A signing secret: `whsec_` and the standard base64 of 24 to 64 bytes. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecret {
    text: Box<str>,
    key: Box<[u8]>,
}

/// A text is not a signing secret. The text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `whsec_` and the standard base64 of 24 to 64 bytes")]
pub struct SecretError;

impl SigningSecret {
    /// The secret made of freshly drawn random bytes.
    #[must_use]
    pub fn from_random(bytes: [u8; GENERATED_BYTES]) -> Self {
        Self { text: format!("{PREFIX}{}", STANDARD.encode(bytes)).into(), key: bytes.into() }
    }

    /// The whole text, to be shown only to those who may see it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// `X-MythicDot-Signature`: lower-case hex HMAC-SHA256 of the body, keyed with the whole text.
    #[must_use]
    pub fn platform_signature(&self, body: &[u8]) -> String {
        format!("{:x}", mac(self.text.as_bytes(), &[body]))
    }

    /// One signature of `webhook-signature`: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`, keyed with
    /// the decoded bytes (Standard Webhooks).
    #[must_use]
    pub fn standard_webhooks_signature(&self, id: &EventId, timestamp: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", timestamp.as_seconds());
        format!("v1,{}", STANDARD.encode(mac(&self.key, &[head.as_bytes(), body])))
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Output<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

impl FromStr for SigningSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        let key = STANDARD.decode(encoded).map_err(|_| SecretError)?;
        if (GENERATED_BYTES..=LONGEST_BYTES).contains(&key.len()) {
            Ok(Self { text: text.into(), key: key.into() })
        } else {
            Err(SecretError)
        }
    }
}

/// One of an endpoint's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveSecret {
    /// The secret.
    pub secret: SigningSecret,
    /// Counts an endpoint's secrets from 1.
    pub generation: u32,
    /// When an old one stops to sign; `None` for the newest.
    pub until: Option<Timestamp>,
}

/// An endpoint's secrets, the oldest first. There is always a newest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRing {
    older: Vec<LiveSecret>,
    newest: LiveSecret,
    /// The oldest generation that the receiver has not yet given up.
    platform_from: u32,
}

/// So many old secrets of an endpoint can sign at a time: each is one more signature in every request, and one more
/// request to a receiver that refuses them all.
const MOST_OLDER: usize = 4;

/// A secret cannot be rotated now: that would end the overlap of an older one before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{MOST_OLDER} older secrets of the endpoint still sign, the first of them until {until}; an overlap of 0s ends them all"
)]
pub struct TooManyOverlaps {
    until: Timestamp,
}

impl SecretRing {
    /// The ring of a new endpoint.
    #[must_use]
    pub fn new(secret: SigningSecret) -> Self {
        Self { older: Vec::new(), newest: LiveSecret { secret, generation: 1, until: None }, platform_from: 1 }
    }

    /// The newest secret, which the API shows.
    #[must_use]
    pub fn newest(&self) -> &LiveSecret {
        &self.newest
    }

    /// The secrets that sign at this time, the oldest first.
    pub fn live_at(&self, now: Timestamp) -> impl Iterator<Item = &LiveSecret> {
        self.older
            .iter()
            .filter(move |old| old.until.is_some_and(|until| now < until))
            .chain(std::iter::once(&self.newest))
    }

    /// Those of `webhook-signature`: each of them once, also where an older one became the newest again.
    pub fn signing_at(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let again = move |live: &LiveSecret| {
            self.live_at(now).any(|later| later.generation > live.generation && later.secret == live.secret)
        };
        self.live_at(now).filter(move |live| !again(live)).map(|live| &live.secret)
    }

    /// The secret of `X-MythicDot-Signature`: the oldest live one, until the receiver has taken a newer one.
    #[must_use]
    pub fn platform_at(&self, now: Timestamp) -> &LiveSecret {
        self.live_at(now).find(|live| live.generation >= self.platform_from).unwrap_or(&self.newest)
    }

    /// The next newer live secret, under which a refused delivery goes out at once.
    #[must_use]
    pub fn newer_than(&self, generation: u32, now: Timestamp) -> Option<&LiveSecret> {
        self.live_at(now).find(|live| live.generation > generation)
    }

    /// The secret of this generation, if it still signs; else the newest.
    #[must_use]
    pub fn at_least(&self, generation: u32, now: Timestamp) -> &LiveSecret {
        self.live_at(now).find(|live| live.generation >= generation).unwrap_or(&self.newest)
    }

    /// Makes `secret` the newest; the one before signs beside it until `overlap_end`, and those before that for as long
    /// as was said when they were replaced. An overlap that has no length ends them all: a secret that leaked is no use
    /// from then on, whichever it was.
    ///
    /// # Errors
    /// As many sign as can: another overlap has to end first.
    pub fn rotate(
        &mut self,
        secret: SigningSecret,
        now: Timestamp,
        overlap_end: Timestamp,
    ) -> Result<(), TooManyOverlaps> {
        if overlap_end <= now {
            self.older.clear();
        }
        self.older.retain(|old| old.until.is_some_and(|until| now < until));
        if self.older.len() >= MOST_OLDER
            && let Some(until) = self.older.iter().filter_map(|old| old.until).min()
        {
            return Err(TooManyOverlaps { until });
        }
        let generation = self.newest.generation.saturating_add(1);
        let mut previous = std::mem::replace(&mut self.newest, LiveSecret { secret, generation, until: None });
        previous.until = Some(overlap_end);
        self.older.push(previous);
        Ok(())
    }

    /// Whether a 2xx to a platform signature of this generation would be news.
    #[must_use]
    pub fn is_news(&self, generation: u32) -> bool {
        generation > self.platform_from
    }

    /// Notes that the receiver answered 2xx to a platform signature of this generation. True if that is news.
    pub fn taken_by_receiver(&mut self, generation: u32) -> bool {
        let news = self.is_news(generation);
        if news {
            self.platform_from = generation;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> SigningSecret {
        SigningSecret::from_random([byte; 24])
    }

    #[test]
    fn the_form_of_a_secret_is_checked_and_hidden() {
        let generated = secret(7);
        assert_eq!(generated.expose().len(), 6 + 32);
        assert_eq!(generated.expose().parse(), Ok(generated.clone()));
        assert!(!format!("{generated:?}").contains(&generated.expose()[6..]));
        let of_length = |n: usize| format!("whsec_{}", STANDARD.encode(vec![1; n])).parse::<SigningSecret>();
        assert!(of_length(64).is_ok());
        assert!(of_length(23).is_err());
        assert!(of_length(65).is_err());
        assert!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_".parse::<SigningSecret>().is_err(), "base64url");
        assert!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse::<SigningSecret>().is_err(), "no prefix");
    }

    #[test]
    fn the_known_answer_of_another_implementation() {
        // Computed with Python's `hmac` over the key and body that the Standard Webhooks libraries test with.
        let secret: SigningSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let id: EventId = "evt_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap();
        let signed =
            secret.standard_webhooks_signature(&id, Timestamp::from_seconds(1_614_265_330), b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,OR/Yyh3mE6DHPIJVAkOUMgE48t4qfZjWy8hiqG4zKE0=");
    }

    #[test]
    fn an_overlap_signs_with_both_and_the_platform_header_follows_the_receiver() {
        let at = Timestamp::from_seconds;
        let mut ring = SecretRing::new(secret(1));
        ring.rotate(secret(2), at(100), at(200)).unwrap();
        assert_eq!(ring.live_at(at(150)).count(), 2);
        assert_eq!(ring.platform_at(at(150)).generation, 1);
        assert_eq!(ring.newer_than(1, at(150)).map(|live| live.generation), Some(2));
        assert!(ring.newer_than(2, at(150)).is_none());
        assert_eq!(ring.platform_at(at(200)).generation, 2, "the overlap is over");
        assert_eq!(ring.live_at(at(200)).count(), 1);
        assert!(ring.taken_by_receiver(2));
        assert!(!ring.taken_by_receiver(2));
        assert_eq!(ring.platform_at(at(150)).generation, 2);
        assert_eq!(ring.live_at(at(150)).count(), 2, "Standard Webhooks keeps both");
    }

    #[test]
    fn a_secret_that_signs_still_comes_back_once() {
        let at = Timestamp::from_seconds;
        let live = |ring: &SecretRing| ring.signing_at(at(150)).cloned().collect::<Vec<_>>();
        let mut ring = SecretRing::new(secret(1));
        ring.rotate(secret(2), at(100), at(400)).unwrap();
        ring.rotate(secret(1), at(110), at(400)).unwrap();
        assert_eq!(live(&ring), [secret(2), secret(1)]);
        assert_eq!(ring.platform_at(at(150)).secret, secret(1), "the receiver never had another");
        assert_eq!(ring.newer_than(1, at(150)).map(|live| &live.secret), Some(&secret(2)), "unless it refuses that");
        ring.rotate(secret(3), at(120), at(400)).unwrap();
        ring.rotate(secret(2), at(130), at(400)).unwrap();
        assert_eq!(live(&ring), [secret(1), secret(3), secret(2)]);
        assert_eq!(ring.platform_at(at(150)).secret, secret(1), "the receiver has not taken another since");
    }

    #[test]
    fn an_overlap_lasts_as_long_as_was_said_unless_all_are_ended() {
        let at = Timestamp::from_seconds;
        let live = |ring: &SecretRing, now| ring.live_at(at(now)).map(|live| live.generation).collect::<Vec<_>>();
        let mut ring = SecretRing::new(secret(1));
        ring.rotate(secret(2), at(100), at(400)).unwrap();
        ring.rotate(secret(3), at(110), at(200)).unwrap();
        assert_eq!(live(&ring, 150), [1, 2, 3]);
        assert_eq!(live(&ring, 250), [1, 3]);
        for (byte, now) in (4..).zip([120, 130]) {
            ring.rotate(secret(byte), at(now), at(500)).unwrap();
        }
        let before = ring.clone();
        assert_eq!(ring.rotate(secret(6), at(140), at(500)), Err(TooManyOverlaps { until: at(200) }));
        assert_eq!(ring, before);
        ring.rotate(secret(6), at(200), at(500)).unwrap();
        assert_eq!(live(&ring, 201), [1, 3, 4, 5, 6]);
        ring.rotate(secret(7), at(210), at(210)).unwrap();
        assert_eq!(live(&ring, 210), [7]);
        assert_eq!(ring.platform_at(at(210)).generation, 7);
    }
}
