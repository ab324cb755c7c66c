//! Key pairs: a user's own, whatever the project.

use serde_json::Value;
use skyloom_sdk::cloud::keypairs::{KeyKind, KeypairCreate, KeypairPage};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::paging::{Paging, every_page};
use skyloom_sdk::{Cloud, Error, ErrorCode, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::microversions::MAX;
use crate::servers::names::check_printable;
use crate::unsupported::refuse;
use crate::views::keypair::{write, write_common};
use crate::violations::{of_field, python};

const MOST: u32 = 1000;

/// Whether the face knows what key pairs have had since 2.`minor`.
fn knows<C>(context: &Context<'_, C>, minor: u32) -> bool {
    context.since(minor) || context.rules.unversioned_keypairs
}

/// The version of a key pair as it is shown.
fn shown_minor<C>(context: &Context<'_, C>) -> u32 {
    if context.rules.unversioned_keypairs { MAX } else { context.minor }
}

/// Another user, whom operators may name from 2.10 on.
fn user<'a, C>(context: &Context<'a, C>) -> Option<&'a str> {
    if knows(context, 10) && !context.rules.private_keypairs { context.query().last("user_id") } else { None }
}

fn refusal<'a, C>(context: &'a Context<'_, C>, name: &'a str) -> impl Fn(Error) -> Fault + 'a {
    move |error| match error.code {
        ErrorCode::NotFound => {
            let own = context.request.caller.as_ref().map(|caller| caller.user_id.as_str()).unwrap_or_default();
            Fault::not_found(format!("Keypair {name} not found for user {}", user(context).unwrap_or(own)))
        }
        _ => error.into(),
    }
}

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let found = if knows(context, 35) {
        let paging = Paging::from_query(&context.query())
            .map_err(|bad| Fault::bad_request(format!("limit '{}' is no number", bad.0)))?;
        if paging.limit == Some(0) {
            return Ok(respond::json(200, b"{\"keypairs\":[]}".to_vec()));
        }
        let marker = paging.marker.clone().unwrap_or_default();
        let page = paging.request(MOST, MOST, Vec::new());
        context.cloud.list_keypairs(user(context), &page).map_err(|error| match error.field.as_deref() {
            Some("marker") => Fault::bad_request(format!("Marker {marker} could not be found.")),
            _ => error.into(),
        })?
    } else {
        // Before 2.35 there are no pages.
        let keypairs = every_page(|page| {
            let found = context.cloud.list_keypairs(user(context), &page)?;
            Ok::<_, Fault>((found.keypairs, found.next))
        })?;
        KeypairPage { keypairs, next: None }
    };
    let mut writer = Writer::with_capacity(256 + found.keypairs.len() * 900);
    writer.begin_object().key(key!("keypairs")).begin_array();
    for keypair in &found.keypairs {
        writer.begin_object().key(key!("keypair")).begin_object();
        write_common(&mut writer, keypair, shown_minor(context));
        writer.end_object().end_object();
    }
    writer.end_array();
    if let (Some(next), true) = (&found.next, knows(context, 35)) {
        writer.key(key!("keypairs_links"));
        context.links.write_next(&mut writer, "/os-keypairs", &context.request.query, next);
    }
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("keypair_name");
    let keypair = context.cloud.get_keypair(name, user(context)).map_err(refusal(context, name))?;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("keypair"));
    write(&mut writer, &keypair, shown_minor(context));
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("keypair")?;
    let create = read(context, &Fields::new(&body, &["keypair"]))?;
    let keypair = context.cloud.create_keypair(&create).map_err(|error| match error.code {
        ErrorCode::AlreadyExists => Fault::new(409, format!("Key pair '{}' already exists.", create.name)),
        ErrorCode::QuotaExceeded => Fault::new(403, "Quota exceeded, too many key pairs."),
        ErrorCode::Invalid if error.field.as_deref() == Some("public-key") => {
            Fault::bad_request(format!("Keypair data is invalid: {}", error.message))
        }
        _ => error.into(),
    })?;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("keypair")).begin_object();
    write_common(&mut writer, &keypair, shown_minor(context));
    writer.key(key!("user_id")).string(&keypair.user_id);
    if let Some(private_key) = &keypair.private_key {
        writer.key(key!("private_key")).string(private_key);
    }
    writer.end_object().end_object();
    Ok(respond::json(if context.since(2) { 201 } else { 200 }, writer.finish()))
}

fn read<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<KeypairCreate, Fault> {
    let name = fields.str("name")?;
    let name = if context.legacy { name.trim() } else { name };
    check_name(context, name)?;
    for (field, since) in [("type", 2), ("user_id", 10)] {
        if fields.has(field) && !knows(context, since) && !context.legacy {
            return Err(Fault::bad_request(format!(
                "Additional properties are not allowed ('{field}' was unexpected)"
            )));
        }
    }
    let kind = match fields.optional_str("type")?.filter(|_| knows(context, 2)) {
        None | Some("ssh") => KeyKind::Ssh,
        Some("x509") => return Err(refuse("keypairs.create", "type x509")),
        Some(other) => {
            return Err(Fault::bad_request(format!(
                "Invalid input for field/attribute type. Value: {other}. '{other}' is not one of ['ssh', 'x509']"
            )));
        }
    };
    let public_key = fields.optional_str("public_key")?.map(str::to_owned);
    if public_key.is_none() && context.since(92) {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute keypair. 'public_key' is a required property",
        ));
    }
    let user_id = if knows(context, 10) { fields.optional_str("user_id")?.map(str::to_owned) } else { None };
    Ok(KeypairCreate { name: name.to_owned(), kind, public_key, user_id, attributes: "{}".to_owned() })
}

fn check_name<C>(context: &Context<'_, C>, name: &str) -> Result<(), Fault> {
    check_printable(name)?;
    let (special, pattern) =
        if context.since(92) { ("_-@. ", r"^[_\-\@\. a-zA-Z0-9]+$") } else { ("_- ", r"^[_\- a-zA-Z0-9]+$") };
    let fits = |letter: char| letter.is_ascii_alphanumeric() || special.contains(letter);
    let value = Value::from(name);
    let says = match name {
        _ if name.chars().count() > 255 => "is too long".to_owned(),
        _ if !name.chars().all(fits) => format!("does not match {}", python(&Value::from(pattern))),
        _ => return Ok(()),
    };
    Err(Fault::bad_request(of_field("name", &value, &format!("{} {says}", python(&value)))))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("keypair_name");
    context.cloud.delete_keypair(name, user(context)).map_err(refusal(context, name))?;
    Ok(respond::empty(if context.since(2) { 204 } else { context.rules.keypair_deleted }))
}
