//! A tariff that misbehaves as the sheet's currency says.

#![cfg(target_arch = "wasm32")]

use skyloom_sdk::tariff::rating::{Guest, Piece, Rated, Sheet, Tally};

struct Tariff;

impl Guest for Tariff {
    fn rate(_: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated, String> {
        match sheet.currency.as_str() {
            "loop" => loop {
                std::hint::black_box(&sheet);
            },
            "trap" => std::process::abort(),
            "panic" => panic!("no such price"),
            "refuse" => Err("no such currency".to_owned()),
            _ => Ok(Rated { charges: Vec::new(), tallies }),
        }
    }
}

skyloom_sdk::tariff!(Tariff);
