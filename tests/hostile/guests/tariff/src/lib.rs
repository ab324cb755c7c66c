//! A tariff that misbehaves as the sheet's currency says.

#![cfg(target_arch = "wasm32")]

use skyloom_sdk::tariff::rating::{Charge, Guest, Sheet, Span};

struct Tariff;

impl Guest for Tariff {
    fn rate(_: Vec<Span>, sheet: Sheet) -> Result<Vec<Charge>, String> {
        match sheet.currency.as_str() {
            "loop" => loop {
                std::hint::black_box(&sheet);
            },
            "trap" => std::process::abort(),
            "panic" => panic!("no such price"),
            "refuse" => Err("no such currency".to_owned()),
            _ => Ok(Vec::new()),
        }
    }
}

skyloom_sdk::tariff!(Tariff);
