//! Price sheets. Money is whole nano-units.

use skyloom_model::{Result, Timestamp};

use crate::args;
use crate::{Conn, Row};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub id: String,
    pub currency: String,
    /// Periods that begin at or after this are rated with it, until a later sheet's time.
    pub effective_from: Timestamp,
    pub created_at: Timestamp,
    /// By meter and class.
    pub prices: Vec<Price>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    pub meter: String,
    /// Empty: every class without a price of its own.
    pub class: String,
    pub nano_per_unit_hour: i64,
}

/// A sheet is never changed: prices change by a new one.
pub async fn insert_sheet(tx: &mut Conn, sheet: &Sheet) -> Result<()> {
    tx.execute(
        "INSERT INTO price_sheets (id, currency, effective_from, created_at) VALUES ($1, $2, $3, $4)",
        args![&sheet.id, &sheet.currency, sheet.effective_from, sheet.created_at],
    )
    .await?;
    for price in &sheet.prices {
        tx.execute(
            "INSERT INTO prices (sheet_id, meter, class, nano_per_unit_hour) VALUES ($1, $2, $3, $4)",
            args![&sheet.id, &price.meter, &price.class, price.nano_per_unit_hour],
        )
        .await?;
    }
    Ok(())
}

/// All sheets with their prices, by the time from which they hold.
pub async fn sheets(conn: &mut Conn) -> Result<Vec<Sheet>> {
    let columns = ["t.meter", "t.class", "t.nano_per_unit_hour"];
    let rows = "SELECT meter, class, nano_per_unit_hour FROM prices WHERE sheet_id = s.id ORDER BY meter, class";
    let sql = format!(
        "SELECT s.id, s.currency, s.effective_from, s.created_at, {} FROM price_sheets s ORDER BY s.effective_from",
        crate::dialect::json_rows(conn.is_postgres(), &columns, rows)
    );
    conn.all(sql, &[], |row: Row<'_>| {
        let prices: Vec<(String, String, i64)> = row.json(4)?;
        Ok(Sheet {
            id: row.text(0)?,
            currency: row.text(1)?,
            effective_from: row.time(2)?,
            created_at: row.time(3)?,
            prices: prices
                .into_iter()
                .map(|(meter, class, nano_per_unit_hour)| Price { meter, class, nano_per_unit_hour })
                .collect(),
        })
    })
    .await
}
