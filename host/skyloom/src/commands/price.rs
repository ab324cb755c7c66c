//! `skyloom price ...`: beside a running `skyloom serve`, or without one.

use serde_json::{Value, json};
use skyloom_cloud::billing::prices::{self, PriceChange, SheetView, TemplateView};
use skyloom_store::Db;
use skyloom_store::prices::{Binding, Price, Template};

use super::{parse_time, print_json, print_table, time, with_database};
use crate::cli::{DeploymentArgs, PriceCommand};
use crate::failure::Failure;

pub fn run(command: PriceCommand) -> Result<(), Failure> {
    match command {
        PriceCommand::List { deployment, json } => asked(&deployment, async |db| {
            list(&prices::templates(db).await?, json);
            Ok(())
        }),
        PriceCommand::Show { template, sheet, deployment, json } => asked(&deployment, async |db| {
            match sheet {
                Some(number) => show_sheet(&prices::sheet(db, &template, number).await?, json),
                None => show(&prices::template(db, &template).await?, json),
            }
            Ok(())
        }),
        PriceCommand::Bindings { deployment, json } => asked(&deployment, async |db| {
            let names = prices::templates(db).await?;
            list_bindings(&prices::bindings(db).await?, &names, json);
            Ok(())
        }),
        PriceCommand::Bind { department, template, at, deployment } => {
            let at = at.as_deref().map(parse_time).transpose()?;
            asked(&deployment, async |db| {
                let from = prices::bind(db, &department, &template, at).await?;
                say!("{department} has the prices of {template} from {} on", time(Some(from)));
                Ok(())
            })
        }
        command => change(command),
    }
}

/// The verbs that change templates and their sheets.
fn change(command: PriceCommand) -> Result<(), Failure> {
    match command {
        PriceCommand::Create { name, description, from, sheet, deployment } => asked(&deployment, async |db| {
            let template = prices::create_template(db, &name, &description, (&from, sheet)).await?;
            say!("template {name} has the id {} and a sheet 1 that is not in force yet", template.id);
            Ok(())
        }),
        PriceCommand::Edit { template, name, description, deployment } => asked(&deployment, async |db| {
            Ok(prices::edit_template(db, &template, name.as_deref(), description.as_deref()).await?)
        }),
        PriceCommand::Delete { template, sheet, deployment } => asked(&deployment, async |db| match sheet {
            Some(number) => Ok(prices::delete_sheet(db, &template, number).await?),
            None => Ok(prices::delete_template(db, &template).await?),
        }),
        PriceCommand::AddSheet { template, from, description, deployment } => asked(&deployment, async |db| {
            let number = prices::create_sheet(db, &template, from, &description).await?;
            say!("{template} has a sheet {number} that is not in force yet");
            Ok(())
        }),
        PriceCommand::Disable { template, sheet, deployment } => {
            asked(&deployment, async |db| Ok(prices::disable_sheet(db, &template, sheet).await?))
        }
        PriceCommand::Use { template, sheet, at, deployment } => {
            let at = at.as_deref().map(parse_time).transpose()?;
            asked(&deployment, async |db| {
                let from = prices::use_sheet(db, &template, sheet, at).await?;
                say!("sheet {sheet} of {template} is in force from {} on", time(Some(from)));
                Ok(())
            })
        }
        PriceCommand::Set { template, sheet, prices: texts, at, deployment } => {
            let at = at.as_deref().map(parse_time).transpose()?;
            let changes = parse(&texts)?;
            asked(&deployment, async |db| {
                match prices::set_prices(db, &template, sheet, &changes, at).await? {
                    Some(from) => say!("the prices hold from {} on", time(Some(from))),
                    None => say!("sheet {sheet} of {template} is not in force; its prices are changed"),
                }
                Ok(())
            })
        }
        command => run(command),
    }
}

fn asked(deployment: &DeploymentArgs, work: impl AsyncFnOnce(&Db) -> Result<(), Failure>) -> Result<(), Failure> {
    with_database(deployment, async |_, db| work(db).await)
}

/// Every defect, a line each.
fn parse(texts: &[String]) -> Result<Vec<PriceChange>, Failure> {
    let (parsed, defects): (Vec<_>, Vec<_>) =
        texts.iter().map(|text| text.parse::<PriceChange>()).partition(Result::is_ok);
    let defects: Vec<String> = defects.into_iter().filter_map(Result::err).map(|error| error.message).collect();
    if defects.is_empty() { Ok(parsed.into_iter().flatten().collect()) } else { Err(Failure::config(defects)) }
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let header = header.iter().map(|name| (*name).to_owned()).collect();
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn list(templates: &[Template], json: bool) {
    if json {
        print_json(&templates.iter().map(template_json).collect());
        return;
    }
    let row =
        |template: &Template| vec![template.id.clone(), template.name.clone(), super::or_dash(&template.description)];
    table(&["ID", "NAME", "DESCRIPTION"], templates.iter().map(row));
}

fn template_json(template: &Template) -> Value {
    json!({ "id": template.id, "name": template.name, "description": template.description })
}

fn show(view: &TemplateView, json: bool) {
    if json {
        let mut value = template_json(&view.template);
        value["sheets"] = view.sheets.iter().map(sheet_json).collect();
        value["departments"] = view.bindings.iter().map(binding_json).collect();
        print_json(&value);
        return;
    }
    let row = |view: &SheetView| {
        vec![
            view.sheet.number.to_string(),
            view.state.as_str().to_owned(),
            view.revision.to_string(),
            time(view.moments.last().copied()),
            view.sheet.currency.clone(),
            super::or_dash(&view.sheet.description),
        ]
    };
    let header = ["SHEET", "STATE", "REVISION", "IN FORCE FROM", "CURRENCY", "DESCRIPTION"];
    table(&header, view.sheets.iter().map(row));
    let row = |binding: &Binding| vec![binding.domain_id.clone(), time(Some(binding.started_at))];
    if !view.bindings.is_empty() {
        table(&["DEPARTMENT", "FROM"], view.bindings.iter().map(row));
    }
}

fn sheet_json(view: &SheetView) -> Value {
    json!({
        "number": view.sheet.number,
        "state": view.state.as_str(),
        "revision": view.revision,
        "in-force-from": view.moments.iter().map(|at| time(Some(*at))).collect::<Vec<_>>(),
        "currency": view.sheet.currency,
        "description": view.sheet.description,
    })
}

fn show_sheet((view, prices): &(SheetView, Vec<Price>), json: bool) {
    if json {
        let mut value = sheet_json(view);
        value["prices"] = prices.iter().map(price_json).collect();
        print_json(&value);
        return;
    }
    let row = |price: &Price| {
        vec![
            price.meter.clone(),
            super::or_dash(&price.class),
            super::or_dash(&price.server_state),
            price.from_units.to_string(),
            prices::amount(price),
        ]
    };
    table(&["METER", "CLASS", "SERVER STATE", "FROM UNIT-HOURS", "PER UNIT AND HOUR"], prices.iter().map(row));
}

fn price_json(price: &Price) -> Value {
    json!({
        "meter": price.meter,
        "class": price.class,
        "server-state": price.server_state,
        "from-unit-hours": price.from_units,
        "per-unit-hour": prices::amount(price),
    })
}

fn list_bindings(bindings: &[Binding], templates: &[Template], json: bool) {
    if json {
        print_json(&bindings.iter().map(binding_json).collect());
        return;
    }
    let row = |binding: &Binding| {
        let template = templates.iter().find(|template| template.id == binding.template_id);
        let name = template.map_or(&binding.template_id, |template| &template.name);
        vec![binding.domain_id.clone(), name.clone(), time(Some(binding.started_at))]
    };
    table(&["DEPARTMENT", "TEMPLATE", "FROM"], bindings.iter().map(row));
}

fn binding_json(binding: &Binding) -> Value {
    json!({
        "department": binding.domain_id,
        "template": binding.template_id,
        "from": time(Some(binding.started_at)),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_wrong_price_is_told() {
        let texts = ["vcpu=1,10:0.5", "vcpu", "memory-mib=cheap", "=1"].map(str::to_owned);
        assert_eq!(super::parse(&texts).unwrap_err().into_lines().len(), 3);
        assert_eq!(super::parse(&texts[..1]).unwrap().len(), 1);
    }
}
