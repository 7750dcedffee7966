//! Both signatures, computed here from the contract's text and nothing of the product.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Recorded;

/// A secret of the contract's form from 24 bytes all alike.
pub fn secret(byte: u8) -> String {
    format!("whsec_{}", STANDARD.encode([byte; 24]))
}

/// `X-MythicDot-Signature`: lower-case hex over the body, keyed with the whole secret string.
pub fn platform(secret: &str, body: &[u8]) -> String {
    mac(secret.as_bytes(), body).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// One `v1,…` signature of Standard Webhooks, keyed with the decoded part after `whsec_`.
pub fn standard(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    format!("v1,{}", STANDARD.encode(mac(&key, &signed)))
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Whether the platform header of `request` verifies under `secret`.
pub fn platform_verifies(secret: &str, request: &Recorded) -> bool {
    request.header("x-mythicdot-signature") == Some(&platform(secret, &request.body))
}

/// The Standard Webhooks signatures of `request` that verify under `secret` (0 or 1 of them).
pub fn standard_matches(secret: &str, request: &Recorded) -> usize {
    let id = request.header("webhook-id").unwrap();
    let timestamp = request.header("webhook-timestamp").unwrap();
    let expected = standard(secret, id, timestamp, &request.body);
    request.header("webhook-signature").unwrap().split(' ').filter(|s| **s == expected).count()
}
