//! Price sheets. Money is whole nano-units.

use skyloom_model::{Result, Timestamp};

use crate::rows::rows;
use crate::{Conn, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sheet in "price_sheets" as "s" {
        id: String,
        currency: String,
        /// Periods that begin at or after this are rated with it, until a later sheet's time.
        effective_from: Timestamp,
        created_at: Timestamp,
    }
    beside {
        /// By meter and class.
        prices: Vec<Price> as Json,
    }
}

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Price in "prices" as "t" {
        meter: String,
        /// Empty: every class without a price of its own.
        class: String,
        nano_per_unit_hour: i64,
    }
    written with { sheet_id }
}

/// A sheet is never changed: prices change by a new one.
pub async fn insert_sheet(tx: &mut Conn, sheet: &Sheet) -> Result<()> {
    sheet.insert()?.run(tx).await?;
    for price in &sheet.prices {
        price.insert(&sheet.id)?.run(tx).await?;
    }
    Ok(())
}

/// All sheets with their prices, by the time from which they hold.
pub async fn sheets(conn: &mut Conn) -> Result<Vec<Sheet>> {
    let columns: Vec<&str> = Price::FIELDS.iter().map(|field| field.sql).collect();
    let rows = Price::select("WHERE t.sheet_id = s.id ORDER BY t.meter, t.class");
    let prices = dialect::json_rows(conn.is_postgres(), &columns, &rows);
    let sql = format!("SELECT {}, {prices} FROM price_sheets s ORDER BY s.effective_from", Sheet::COLUMNS);
    conn.all(sql, &[], Sheet::of_row).await
}
