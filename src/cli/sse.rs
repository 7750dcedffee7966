//! Reads server-sent events (the HTML standard, "Interpreting an event stream") from chunks as they come.

/// The largest event that is kept: beyond it the stream is not one of this server's.
const LARGEST_EVENT: usize = 8 * 1024 * 1024;

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// The `event:` field; `message` if the stream names none.
    pub name: String,
    /// The `data:` lines, joined with line breaks.
    pub data: String,
}

/// The stream sent more without ending an event than any event of this server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event in the stream is larger than 8 MiB")]
pub struct EventTooLarge;

/// An incremental parser: bytes in, whole events out.
#[derive(Debug, Default)]
pub struct EventStream {
    line: Vec<u8>,
    after_return: bool,
    started: bool,
    name: String,
    data: String,
    last_id: Option<String>,
}

impl EventStream {
    /// Takes the next bytes and gives the events that they complete, oldest first.
    ///
    /// # Errors
    /// [`EventTooLarge`]; the parser is of no further use then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<StreamEvent>, EventTooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    self.after_return = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    events.extend(self.end_line(&line));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > LARGEST_EVENT {
                return Err(EventTooLarge);
            }
        }
        Ok(events)
    }

    /// The last `id:` seen: what a reader that comes back sends as `Last-Event-ID`.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn end_line(&mut self, line: &[u8]) -> Option<StreamEvent> {
        let text = String::from_utf8_lossy(line);
        let mut text = text.as_ref();
        if !std::mem::replace(&mut self.started, true) {
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        if text.is_empty() {
            return self.end_event();
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            // A comment (no field name), `retry`, or a field of a later standard: all to be passed over.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<StreamEvent> {
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(StreamEvent { name: if name.is_empty() { "message".to_owned() } else { name }, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> StreamEvent {
        StreamEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn reads_names_data_ids_and_passes_comments_over() {
        let mut stream = EventStream::default();
        let events = stream
            .feed(b"\xef\xbb\xbf: hello\nid: 7\nevent: attempt\ndata: {\"a\":\ndata:1}\nretry: 10\n\ndata\n\nevent: x\n\n")
            .unwrap();
        assert_eq!(events, [event("attempt", "{\"a\":\n1}"), event("message", "")]);
        assert_eq!(stream.last_id(), Some("7"));
    }

    #[test]
    fn chunk_borders_and_line_ends_make_no_difference() {
        let text = "event: délivrée\r\ndata: é\rdata: 2\n\r\n\rdata: three\n\n";
        let whole = EventStream::default().feed(text.as_bytes()).unwrap();
        assert_eq!(whole, [event("délivrée", "é\n2"), event("message", "three")]);
        let mut stream = EventStream::default();
        let mut by_byte = Vec::new();
        for byte in text.as_bytes() {
            by_byte.extend(stream.feed(&[*byte]).unwrap());
        }
        assert_eq!(by_byte, whole);
    }

    #[test]
    fn an_event_without_its_end_is_not_an_event() {
        assert!(EventStream::default().feed(b"data: half\n").unwrap().is_empty());
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut stream = EventStream::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; 1 << 20], b"\n"].concat();
        let refused = (0..10).find_map(|_| stream.feed(&line).err());
        assert_eq!(refused, Some(EventTooLarge));
    }
}
