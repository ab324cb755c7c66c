//! The metadata of images: the properties that their owners gave them.

use skyloom_sdk::cloud::images::{Image, ImageUpdate};
use skyloom_sdk::{Cloud, Error, ErrorCode, Pair, respond};

use super::images::{fetch, refused};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::metadata::{NO_ITEM, check, given, given_item, one, whole};

/// How often a change is made anew of an image that others change at the same time.
const ATTEMPTS: u32 = 5;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(whole(&fetch(context)?.properties))
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let items = given(context)?;
    check(&items)?;
    let image = change(context, |properties| {
        for item in &items {
            put(properties, item);
        }
        Ok(())
    })?;
    Ok(whole(&image.properties))
}

pub fn replace<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let items = given(context)?;
    check(&items)?;
    let image = change(context, |properties| {
        properties.clone_from(&items);
        Ok(())
    })?;
    Ok(whole(&image.properties))
}

pub fn show_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("key");
    let image = fetch(context)?;
    let item = image.properties.iter().find(|(key, _)| key == name).ok_or_else(|| Fault::not_found(NO_ITEM))?;
    Ok(one(item))
}

pub fn update_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let item = given_item(context)?;
    change(context, |properties| {
        put(properties, &item);
        Ok(())
    })?;
    Ok(one(&item))
}

pub fn delete_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("key");
    change(context, |properties| {
        let at = properties.iter().position(|(key, _)| key == name);
        properties.remove(at.ok_or_else(|| Fault::not_found("Invalid metadata key"))?);
        Ok(())
    })?;
    Ok(respond::empty(204))
}

fn put(properties: &mut Vec<Pair>, (name, value): &Pair) {
    match properties.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => known.clone_from(value),
        None => properties.push((name.clone(), value.clone())),
    }
}

/// The image with other properties and all else as it is.
fn change<C: Cloud>(
    context: &Context<'_, C>,
    apply: impl Fn(&mut Vec<Pair>) -> Result<(), Fault>,
) -> Result<Image, Fault> {
    let mut attempt = 1;
    loop {
        let image = fetch(context)?;
        let mut update = ImageUpdate {
            read_at: image.updated_at,
            name: image.name,
            visibility: image.visibility,
            protected: image.protected,
            hidden: image.hidden,
            disk_format: image.disk_format,
            container_format: image.container_format,
            min_disk_gib: image.min_disk_gib,
            min_memory_mib: image.min_memory_mib,
            tags: image.tags,
            properties: image.properties,
            owner: image.owner,
            attributes: None,
        };
        let before = update.properties.clone();
        apply(&mut update.properties)?;
        check_names(&before, &update.properties)?;
        match context.cloud.update_image(&image.id, &update) {
            // Another one changed it since it was read: the change holds of the image as it is then.
            Err(error) if error.code == ErrorCode::WrongState && attempt < ATTEMPTS => attempt += 1,
            updated => return updated.map_err(unchanged),
        }
    }
}

/// What is written may not have the name of an attribute of images, nor one that the image service keeps for itself.
fn check_names(before: &[Pair], after: &[Pair]) -> Result<(), Fault> {
    for (name, _) in after.iter().filter(|item| !before.contains(item)) {
        let own = || glance::is_own(name).then(|| format!("Attribute '{name}' is the image's own."));
        if let Some(why) = glance::forbidden(name).or_else(own) {
            return Err(Fault::new(403, why));
        }
    }
    Ok(())
}

fn unchanged(error: Error) -> Fault {
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::QuotaExceeded, Some("properties")) => Fault::new(403, "Image metadata limit exceeded"),
        _ => refused(error),
    }
}
