//! Reading and narrowing tokens.

use std::time::Duration;

use flytoken::token::{Bundle, Caveat, Mask};

use crate::{
    measure::{Table, batched},
    setting,
};

pub(crate) fn run(table: &Table) {
    let one = Bundle::parse(&setting::token(123)).unwrap();
    let (_, macaroon) = one.permissions().next().unwrap();
    let narrow = [Caveat::Action(Mask::READ)];
    let attenuating = batched(50, 200, |_| drop(macaroon.attenuated(&narrow).unwrap().encode()));
    table.time("attenuating a token", Duration::from_micros(20), attenuating, "");

    let ten = (0..5).map(setting::token).collect::<Vec<_>>().join(",");
    let decoding = batched(50, 50, |_| drop(Bundle::parse(&ten).unwrap()));
    table.time("decoding a bundle of ten tokens", Duration::from_micros(100), decoding, &format!("{} bytes", ten.len()));
}
