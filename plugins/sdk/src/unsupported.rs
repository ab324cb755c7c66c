//! What a vendor's API has and the core has no capability for yet. Nothing of it is silently dropped: a plugin keeps a table of it
//! and refuses each entry by name, in its vendor's words.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The operation, as the manifest has it.
    pub operation: &'static str,
    /// The field, filter or value, as the vendor's document names it.
    pub what: &'static str,
    /// The vendor's code of the refusal; empty where its errors have none.
    pub code: &'static str,
    pub why: &'static str,
}

#[derive(Debug)]
pub struct Table(pub &'static [Unsupported]);

impl Table {
    #[must_use]
    pub fn find(&self, operation: &str, what: &str) -> Option<Unsupported> {
        self.0.iter().find(|entry| entry.operation == operation && entry.what == what).copied()
    }

    /// What the table says of something that is being refused, so it must stand there.
    #[must_use]
    pub fn get(&self, operation: &str, what: &str) -> Unsupported {
        let found = self.find(operation, what);
        debug_assert!(found.is_some(), "{operation} {what} is missing from the table");
        found.unwrap_or(Unsupported { operation: "", what: "", code: "", why: "" })
    }

    /// For a test of the plugin: `refusal` asks for an entry and gives the message with which it is refused. Prints the table for
    /// the coverage report. What the plugin doesn't serve is left out: several may share a table.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn prove(&self, plugin: &str, manifest: &str, refusal: impl Fn(Unsupported) -> String) {
        let served = |entry: &Unsupported| manifest.contains(&format!("id = \"{}\"", entry.operation));
        assert!(self.0.iter().any(served), "nothing of it is served");
        for (at, entry) in self.0.iter().enumerate().filter(|(_, entry)| served(entry)) {
            let Unsupported { operation, what, code, why } = *entry;
            let same = |other: &Unsupported| other.operation == operation && other.what == what;
            assert!(!self.0[..at].iter().any(same), "{operation} {what} stands twice");
            let message = refusal(*entry);
            assert!(message.contains(what) && message.contains(why), "{operation} {what}: {message}");
            println!("UNSUPPORTED {plugin} {operation} {what}: {code}{}{why}", if code.is_empty() { "" } else { " " });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: Table = Table(&[Unsupported { operation: "boxes.create", what: "lid", code: "B.1", why: "no lids" }]);

    #[test]
    fn an_entry_is_found_by_both_names() {
        assert_eq!(TABLE.get("boxes.create", "lid").why, "no lids");
        assert_eq!((TABLE.find("boxes.create", "key"), TABLE.find("boxes.list", "lid")), (None, None));
        TABLE.prove("boxes", r#"id = "boxes.create""#, |entry| format!("{} is not there: {}", entry.what, entry.why));
    }

    #[test]
    #[should_panic(expected = "boxes.create lid")]
    fn an_entry_that_is_refused_in_other_words_is_no_proof() {
        TABLE.prove("boxes", r#"id = "boxes.create""#, |_| "no".to_owned());
    }
}
