//! `skyloom price ...`

use clap::Subcommand;

use super::DeploymentArgs;

#[derive(Debug, Subcommand)]
pub enum PriceCommand {
    /// The templates; departments that were never bound have the default one
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// A template with its sheets and departments, or the prices of one of its sheets
    Show {
        /// The template, by name or id
        template: String,
        /// The number of a sheet
        sheet: Option<i64>,
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Make a template, with a sheet 1 that is not in force yet
    Create {
        /// Its name
        name: String,
        #[arg(long, default_value = "")]
        /// What it is for
        description: String,
        #[arg(long, value_name = "TEMPLATE", default_value = "default")]
        /// Whose prices it begins with
        from: String,
        #[arg(long, value_name = "SHEET")]
        /// The sheet that is copied, instead of the one in force
        sheet: Option<i64>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Give a template another name or description
    Edit {
        /// The template, by name or id
        template: String,
        #[arg(long)]
        /// The new name
        name: Option<String>,
        #[arg(long)]
        /// The new description
        description: Option<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Delete a template that no department ever had, or one of its sheets that never was in force
    Delete {
        /// The template, by name or id
        template: String,
        /// The number of a sheet
        sheet: Option<i64>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Make a sheet of a template, not in force yet
    AddSheet {
        /// The template, by name or id
        template: String,
        #[arg(long, value_name = "SHEET")]
        /// The sheet that is copied, instead of the one in force
        from: Option<i64>,
        #[arg(long, default_value = "")]
        /// What it is for
        description: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Bring a sheet in force, now or at a time to come, instead of the one that is
    Use {
        /// The template, by name or id
        template: String,
        /// The number of the sheet
        sheet: i64,
        #[arg(long, value_name = "TIME")]
        /// e.g. 2026-12-01T00:00:00Z; without it, now
        at: Option<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Keep a sheet from coming in force at its time
    Disable {
        /// The template, by name or id
        template: String,
        /// The number of the sheet
        sheet: i64,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Change prices of a sheet; of one in force they hold from now or a time to come on
    Set {
        /// The template, by name or id
        template: String,
        /// The number of the sheet
        sheet: i64,
        /// Per unit and hour, `none` takes a price away; tiers follow by unit-hours of the month, say `vcpu=0.02,1000:0.015`
        #[arg(required = true, value_name = "METER[/CLASS][@STATE]=PRICE[,FROM:PRICE...]")]
        prices: Vec<String>,
        #[arg(long, value_name = "TIME")]
        /// e.g. 2026-12-01T00:00:00Z; without it, now
        at: Option<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Give a department (a domain) the prices of a template, from now or a time to come on
    Bind {
        /// The domain, by id or name
        department: String,
        /// The template, by name or id
        template: String,
        #[arg(long, value_name = "TIME")]
        /// e.g. 2026-12-01T00:00:00Z; without it, now
        at: Option<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Which departments are bound to which templates, now and at times to come
    Bindings {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
}
