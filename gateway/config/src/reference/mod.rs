//! What can be written, for editors and for readers, made from the definitions that the decoder uses.

mod page;
mod schema;

pub use page::page;
pub use schema::schema;

use crate::document::definition::{Section, Shape};
use crate::document::sections::Document;

/// Every section, each before those that it mentions first.
fn sections() -> Vec<&'static Section> {
    let mut sections = vec![Document::section()];
    let mut next = 0;
    while let Some(section) = sections.get(next).copied() {
        for key in &section.keys {
            collect(&key.shape, &mut sections);
        }
        next += 1;
    }
    sections
}

fn collect(shape: &Shape, sections: &mut Vec<&'static Section>) {
    match shape {
        Shape::List(element) | Shape::NonEmpty(element) | Shape::Named(element) => collect(element, sections),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| collect(shape, sections)),
        Shape::Section(section) => {
            let section = section();
            if sections.iter().all(|known| known.name != section.name) {
                sections.push(section);
            }
        }
        Shape::Text(_)
        | Shape::Choice(_)
        | Shape::Integer { .. }
        | Shape::Number(_)
        | Shape::Boolean
        | Shape::True
        | Shape::Anything => {}
    }
}
