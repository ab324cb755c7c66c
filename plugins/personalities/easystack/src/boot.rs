//! The boot order of a server and its ISO images, which the vendor keeps in the server's metadata. The document prints their values as
//! objects in one place and as texts of JSON in another: both are taken, texts are stored and answered.
//!
//! The core's servers have no CD-ROM drive, so an order is kept and changes nothing yet.

use nova::servers::metadata::write_items;
use nova::{Answer, Context, Fault};
use serde_json::{Map, Value};
use skyloom_sdk::Cloud;
use skyloom_sdk::cloud::compute::MetadataMode;

const ORDER: &str = "nodeinfo.com:bootorder";
const ISO: &str = "nodeinfo.com:iso-";
/// What a server boots from.
const DEVICES: &[&str] = &["hd", "cdrom"];

pub fn replace_metadata<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let metadata = context.body_member("metadata")?;
    check(&metadata)?;
    let text = |value: Value| if let Value::String(text) = value { text } else { value.to_string() };
    let items = metadata.into_iter().map(|(name, value)| (name, text(value))).collect();
    write_items(context, items, MetadataMode::Replace)
}

fn check(metadata: &Map<String, Value>) -> Result<(), Fault> {
    let has_iso = metadata.keys().any(|name| name.starts_with(ISO));
    for (name, value) in metadata {
        let value = Parsed(name, value);
        if name == ORDER {
            value.check_order(has_iso)?;
        } else if name.starts_with(ISO) {
            value.check_iso()?;
        } else if !value.1.is_string() {
            return Err(value.wrong("It is not of type 'string'"));
        }
    }
    Ok(())
}

/// A member of the metadata: its name and its value, an object or the text of one.
struct Parsed<'a>(&'a str, &'a Value);

impl Parsed<'_> {
    fn wrong(&self, why: &str) -> Fault {
        Fault::bad_request(format!("Invalid input for field/attribute {}. {why}", self.0))
    }

    fn object(&self) -> Result<Map<String, Value>, Fault> {
        let object = match self.1 {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            _ => None,
        };
        object.ok_or_else(|| self.wrong("It is neither an object nor the text of one"))
    }

    /// Each device once; the CD-ROM may be first where an ISO image is there.
    fn check_order(&self, has_iso: bool) -> Result<(), Fault> {
        let object = self.object()?;
        let order: Option<Vec<&str>> =
            object.get("order").and_then(Value::as_array).and_then(|order| order.iter().map(Value::as_str).collect());
        let order =
            order.filter(|order| !order.is_empty()).ok_or_else(|| self.wrong("'order' is no list of devices"))?;
        for (at, device) in order.iter().enumerate() {
            if !DEVICES.contains(device) || order[..at].contains(device) {
                return Err(self.wrong(&format!("'order' holds 'hd' and 'cdrom', each once, not '{device}'")));
            }
        }
        if order[0] == "cdrom" && !has_iso {
            return Err(self.wrong("'cdrom' is first, but no ISO image is attached"));
        }
        Ok(())
    }

    /// The image is the one that the name ends with.
    fn check_iso(&self) -> Result<(), Fault> {
        let object = self.object()?;
        let image = object.get("image_uuid").and_then(Value::as_str);
        if image != self.0.strip_prefix(ISO) {
            return Err(self.wrong("'image_uuid' is not the image of its name"));
        }
        Ok(())
    }
}
