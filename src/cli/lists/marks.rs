//! What stands in a cell of the matrix for an access.

use std::collections::HashMap;
use std::sync::Arc;

use super::levels::Access;

/// An access and what stands for it in a cell.
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) access: Access,
}

impl Mark {
    fn none() -> Self {
        Self {
            label: "-".to_owned(),
            access: Access::default(),
        }
    }

    /// Whether there is any access.
    pub(super) fn is_some(&self) -> bool {
        !self.access.actions.is_empty()
    }
}

/// Different accesses by number.
#[derive(Default)]
pub(super) struct Marks {
    accesses: Vec<Arc<Access>>,
    numbers: HashMap<Access, u32>,
}

impl Marks {
    /// The number of an access, a new one if it has none.
    pub(super) fn number(&mut self, access: &Arc<Access>) -> u32 {
        if let Some(number) = self.numbers.get(&**access) {
            return *number;
        }
        let number = self.accesses.len() as u32;
        self.numbers.insert((**access).clone(), number);
        self.accesses.push(access.clone());
        number
    }

    /// Labelled, those that allow more behind those that allow less, with the places where they went.
    pub(super) fn sorted(self) -> (Vec<Mark>, Vec<u32>) {
        let mut order: Vec<usize> = (0..self.accesses.len()).collect();
        order.sort_by_key(|number| {
            let access = &self.accesses[*number];
            (access.actions.len(), access.clone())
        });
        let mut marks = vec![Mark::none()];
        let mut places = vec![0; order.len()];
        for number in order {
            places[number] = marks.len() as u32;
            let access = (*self.accesses[number]).clone();
            let mut label = label(&access);
            // Two accesses are never shown alike.
            if marks.iter().any(|mark| mark.label == label) {
                label = format!("{label} [{}]", marks.len());
            }
            marks.push(Mark { label, access });
        }
        (marks, places)
    }
}

/// A short form of an access: its levels, with how many actions come on top and how many are missing.
fn label(access: &Access) -> String {
    let mut label = match (access.levels.as_slice(), access.besides.as_slice()) {
        ([], [one]) => one.clone(),
        ([], several) => format!("{} actions", several.len()),
        (levels, []) => levels.join(" + "),
        (levels, besides) => format!("{} +{}", levels.join(" + "), besides.len()),
    };
    if !access.without.is_empty() {
        label.push_str(&format!(" -{}", access.without.len()));
    }
    label
}
