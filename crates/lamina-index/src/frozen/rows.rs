//! Choosing the links of a point.

use crate::VectorBlock;

use super::STRIDE;

/// Chooses at most [`STRIDE`] of the candidates: from the nearest on, those that are nearer to the point than to any chosen
/// one, so that links lead into all directions; what is left of the row is filled with the nearest others.
pub(super) fn choose(vectors: &VectorBlock, point: u32, candidates: &mut Vec<u32>) -> Vec<u32> {
    candidates.sort_unstable();
    candidates.dedup();
    let distance = |a: u32, b: u32| vectors.distance(a as usize, b as usize);
    let mut near: Vec<(f32, u32)> = candidates
        .iter()
        .filter(|other| **other != point)
        .map(|other| (distance(point, *other), *other))
        .collect();
    near.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<u32> = Vec::with_capacity(STRIDE);
    let mut others: Vec<u32> = Vec::new();
    for (far, candidate) in near {
        if chosen.len() == STRIDE {
            break;
        }
        if chosen.iter().all(|link| distance(*link, candidate) > far) {
            chosen.push(candidate);
        } else if others.len() < STRIDE {
            others.push(candidate);
        }
    }
    let room = STRIDE - chosen.len();
    chosen.extend(others.into_iter().take(room));
    chosen
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;

    use super::*;

    #[test]
    fn links_lead_into_all_directions_before_they_crowd() {
        // Around the first vector: forty crowded on one side, one on the other side and farther.
        let mut rows = vec![[1.0, 0.0, 0.0]];
        rows.extend((0..40).map(|i| [1.0, 0.2 + 0.001 * i as f32, 0.0]));
        rows.push([1.0, -0.5, 0.3]);
        let rows: Vec<Embedding> = rows
            .iter()
            .map(|row| Embedding::new(row.to_vec()).unwrap())
            .collect();
        let vectors = VectorBlock::from_embeddings(&rows).unwrap();
        let chosen = choose(&vectors, 0, &mut (0..42).rev().chain([41, 7]).collect());
        assert_eq!(chosen.len(), STRIDE);
        assert_eq!(chosen[..2], [1, 41]);
        assert!(!chosen.contains(&0));
        assert_eq!(chosen[2..], (2..32).collect::<Vec<u32>>()[..]);
    }
}
