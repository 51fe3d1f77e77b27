//! `Accept-Encoding` (RFC 9110 12.5.3): what a client likes best of what is offered.

use gateway_config::Encoding;

/// A weight in thousandths.
type Weight = u16;

/// The coding that the client likes best, of those it likes equally the first that is offered. None where it likes none, or its
/// answers as they are better; an element that is malformed says nothing.
pub(super) fn choose(accepted: &str, offered: &[Encoding]) -> Option<Encoding> {
    let mut identity = None;
    let mut any = None;
    let mut named = [None; Encoding::ALL.len()];
    for element in accepted.split(',') {
        let mut parts = element.split(';');
        let name = parts.next().unwrap_or_default().trim_matches(WHITE);
        let weight = match parts.next().map(weight) {
            None => 1000,
            Some(Some(weight)) if parts.next().is_none() => weight,
            Some(_) => continue,
        };
        let place = match Encoding::named(name) {
            Some(encoding) => named.get_mut(encoding as usize),
            None if name == "*" => Some(&mut any),
            None if name.eq_ignore_ascii_case("identity") => Some(&mut identity),
            None => None,
        };
        if let Some(place) = place {
            *place = Some(weight);
        }
    }
    let liked = |encoding: Encoding| named.get(encoding as usize).copied().flatten().or(any).unwrap_or(0);
    let mut best: Option<(Encoding, Weight)> = None;
    for encoding in offered.iter().copied() {
        if liked(encoding) > best.map_or(0, |(_, weight)| weight) {
            best = Some((encoding, liked(encoding)));
        }
    }
    // Identity that is not named is acceptable, and no more than that.
    best.filter(|(_, weight)| *weight >= identity.unwrap_or(0)).map(|(encoding, _)| encoding)
}

const WHITE: [char; 2] = [' ', '\t'];

/// `q=0.5`, from 0 to 1 with at most three decimals (RFC 9110 12.4.2).
fn weight(parameter: &str) -> Option<Weight> {
    let (name, value) = parameter.trim_matches(WHITE).split_once('=')?;
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !name.eq_ignore_ascii_case("q") || !is_number {
        return None;
    }
    let thousandths: Weight = format!("{decimals:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}
