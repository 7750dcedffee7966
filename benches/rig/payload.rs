//! What producers post: an object of about 300 bytes, stamped with when it was sent.

use std::fmt::Write as _;

/// The mark before the time of sending.
const STAMP: &[u8] = br#""sent_at":"#;

/// Sent at a time that nobody asks for.
pub const UNSTAMPED: u64 = 0;

/// The object of an event, 300 bytes long.
pub fn object(sent_at: u64) -> String {
    let mut object = format!(
        r#"{{"sent_at":{sent_at},"id":"batch_68a1c2e97d3f4b0f9c5e7a21","object":"batch","endpoint":"/v1/responses","status":"completed","request_counts":{{"total":1000,"completed":998,"failed":2}},"note":""#
    );
    let rest = 300 - 2 - object.len();
    object.extend(std::iter::repeat_n('x', rest));
    object.push_str("\"}");
    object
}

/// A whole event as it is posted, to the default account.
pub fn event(sent_at: u64) -> String {
    event_of_type("batch.completed", sent_at)
}

/// An event for this account.
pub fn event_of(account: &str, sent_at: u64) -> String {
    format!(r#"{{"type":"batch.completed","account":"{account}","data":{{"object":{}}}}}"#, object(sent_at))
}

/// An event of this type.
pub fn event_of_type(event_type: &str, sent_at: u64) -> String {
    format!(r#"{{"type":"{event_type}","data":{{"object":{}}}}}"#, object(sent_at))
}

/// A batch of such events.
pub fn batch(events: usize, sent_at: u64) -> String {
    let mut batch = String::from(r#"{"events":["#);
    for n in 0..events {
        let comma = if n > 0 { "," } else { "" };
        write!(batch, "{comma}{}", event(sent_at)).unwrap();
    }
    batch.push_str("]}");
    batch
}

/// When the event in this body was sent.
pub fn sent_at(body: &[u8]) -> Option<u64> {
    let at = body.windows(STAMP.len()).position(|window| window == STAMP)? + STAMP.len();
    let digits: Vec<u8> = body[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}
